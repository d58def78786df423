-- One row per cohort of each of two kinds: what became of its invocations.
--
-- cohort: hour or date (of submission, per account, region and model)
-- submit_hour: start of the hour; null for a date
-- invocations: all there are, whatever their status
-- completed: those that are Completed
-- failed: those that are Failed
-- in_progress: those that are InProgress
-- failure_rate: failed / (completed + failed); null where both are 0
-- failure_rate_low: lower bound of its Wilson 95 % interval
-- failure_rate_high: upper bound of its Wilson 95 % interval
-- is_settled: none is open, and the scope was read past the end of the hour or date and the lag
-- dated by: submit_date
with

invocations as (
    select
        invocations.account_id,
        invocations.region,
        invocations.model_id,
        invocations.submit_hour,
        invocations.submit_date,
        invocations.status,
        not invocations.is_open or invocations.is_vanished as has_ended,
        unsettled_dates.submit_date is null as is_date_read,
        coalesce(
            unsettled_dates.submit_date is null
            or invocations.submit_hour < unsettled_dates.settled_through,
            false
        ) as is_hour_read
    from bedrock_analytics.invocations
    left join bedrock_analytics.unsettled_dates
        on invocations.account_id is not distinct from unsettled_dates.account_id
        and invocations.region is not distinct from unsettled_dates.region
        and invocations.submit_date = unsettled_dates.submit_date
),

members as (
    select
        'hour' as cohort,
        account_id,
        region,
        model_id,
        submit_hour,
        submit_date,
        status,
        has_ended and is_hour_read as is_settled
    from invocations

    union all

    select
        'date' as cohort,
        account_id,
        region,
        model_id,
        cast(null as timestamptz) as submit_hour,
        submit_date,
        status,
        has_ended and is_date_read as is_settled
    from invocations
),

counted as (
    select
        cohort,
        account_id,
        region,
        model_id,
        submit_hour,
        submit_date,
        count(*) as invocations,
        count(*) filter (where status = 'Completed') as completed,
        count(*) filter (where status = 'Failed') as failed,
        count(*) filter (where status = 'InProgress') as in_progress,
        count(*) filter (where not is_settled) = 0 as is_settled
    from members
    group by cohort, account_id, region, model_id, submit_hour, submit_date
),

-- Wilson (1927): z is the normal distribution's 97.5 % quantile, n the terminal invocations.
rates as (
    select
        *,
        cast(nullif(completed + failed, 0) as double) as n,
        failed / cast(nullif(completed + failed, 0) as double) as failure_rate,
        1.959963984540054e0 as z
    from counted
),

intervals as (
    select
        *,
        (failure_rate + z * z / (2 * n)) / (1 + z * z / n) as centre,
        z / (1 + z * z / n)
            * sqrt(failure_rate * (1 - failure_rate) / n + z * z / (4 * n * n)) as half_width
    from rates
)

select
    cohort,
    account_id,
    region,
    model_id,
    submit_hour,
    submit_date,
    invocations,
    completed,
    failed,
    in_progress,
    failure_rate,
    case when failure_rate = 0 then 0e0 else centre - half_width end as failure_rate_low,
    case when failure_rate = 1 then 1e0 else centre + half_width end as failure_rate_high,
    is_settled
from intervals
