-- One row per cohort of each of three kinds: what became of its invocations.
--
-- cohort: hour or date (of submission, per account, region and model), or recent model (all scopes,
--   the last 30 days); columns that a cohort does not have are null
-- invocations: all there are, whatever their status
-- completed: those that are Completed
-- failed: those that are Failed
-- in_progress: those that are InProgress
-- failure_rate: failed / (completed + failed); null where both are 0
-- failure_rate_low: lower bound of its Wilson 95 % interval
-- failure_rate_high: upper bound of its Wilson 95 % interval
-- is_settled: none is open any more; the row changes only if more are submitted
with

lifetimes as (
    select * from bedrock_analytics.lifetimes
),

counted as (
    select
        case
            when grouping(submit_hour) = 0 then 'hour'
            when grouping(submit_date) = 0 then 'date'
            else 'recent model'
        end as cohort,
        account_id,
        region,
        model_id,
        submit_hour,
        submit_date,
        is_recent,
        count(*) as invocations,
        count(*) filter (where status = 'Completed') as completed,
        count(*) filter (where status = 'Failed') as failed,
        count(*) filter (where status = 'InProgress') as in_progress,
        count(*) filter (where is_open) = 0 as is_settled
    from lifetimes
    group by grouping sets (
        (account_id, region, model_id, submit_hour),
        (account_id, region, model_id, submit_date),
        (model_id, is_recent)
    )
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
where coalesce(is_recent, true)
