-- One row per account, region, model, part of report_hours, and cohort and selection that it belongs
-- to.
--
-- cohort: the date, in days since 1970, or the number of the period
-- number: of the kind, cohort and selection
with

parts as (
    select distinct kind, account, region, model, part
    from report_hours
),

cohorts as (
    select
        *,
        part as cohort
    from parts
    where kind = 'day'

    union all

    select
        parts.*,
        periods.cohort
    from parts
    inner join report_periods as periods
        on parts.part >= periods.from_ms
        and parts.part < periods.until_ms
    where parts.kind = 'period'
)

select
    cohorts.*,
    selections.in_account,
    selections.in_region,
    selections.in_model,
    dense_rank() over (
        order by kind, cohort, in_account, in_region, in_model
    ) as number
from cohorts
inner join report_selections as selections using (account, region, model)
