-- One row per period, account, region, model and failure category: whose fault, how many failed.
with parts as (
    select account, region, model, since_ms, failure_category, failure_fault, failed
    from whole('bedrock_analytics.failure_reasons_daily')

    union all

    select
        account,
        region,
        model,
        since_ms,
        failure_category,
        failure_fault,
        count(*) as failed
    from report_cut
    where status = 'Failed'
    group by all
)

select
    periods.cohort,
    parts.account,
    parts.region,
    parts.model,
    parts.failure_category as category,
    parts.failure_fault as fault,
    cast(sum(parts.failed) as bigint) as failed
from parts
inner join report_periods as periods
    on not periods.is_previous
    and parts.since_ms >= periods.from_ms
    and parts.since_ms < periods.until_ms
group by all
order by all
