-- One row per model: what became of the invocations of the last 30 days, in all scopes together.
--
-- The 30 days end with the newest successful run of any scope.
--
-- cohort: recent model
-- invocations: all there are, whatever their status
-- completed: those that are Completed
-- failed: those that are Failed
-- in_progress: those that are InProgress
-- failure_rate: failed / (completed + failed); null where both are 0
-- failure_rate_low: lower bound of its Wilson 95 % interval
-- failure_rate_high: upper bound of its Wilson 95 % interval
-- is_settled: none is open any more; the row changes only if more are submitted
with

newest as (
    select max(as_of) - interval '720' hour as since
    from bedrock_analytics.scopes
),

members as (
    select
        'recent model' as cohort,
        cast(null as varchar) as account_id,
        cast(null as varchar) as region,
        invocations.model_id,
        cast(null as timestamptz) as submit_hour,
        cast(null as date) as submit_date,
        invocations.status,
        invocations.is_open
    from bedrock_analytics.invocations
    inner join newest
        on invocations.submit_time >= newest.since
),

-- From here on as in failure_rates.sql, of which it is a copy.
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
        count(*) filter (where is_open) = 0 as is_settled
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
