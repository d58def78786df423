-- One row per model: what became of the invocations of the last 30 days, in all scopes together.
--
-- The 30 days begin 720 hours before the newest successful run of any scope; its date is the last.
--
-- cohort: recent model
-- submit_date: the date on which the 30 days end, UTC
-- invocations: all there are, whatever their status
-- completed: those that are Completed
-- failed: those that are Failed
-- in_progress: those that are InProgress
-- failure_rate: failed / (completed + failed); null where both are 0
-- failure_rate_low: lower bound of its Wilson 95 % interval
-- failure_rate_high: upper bound of its Wilson 95 % interval
-- is_settled: none is open, and all scopes were read past the end of the 30 days
-- dated by: submit_date
-- reads back: 30 days
with

counts as (
    select
        window_starts.end_date,
        failure_rates.model_id,
        failure_rates.invocations,
        failure_rates.completed,
        failure_rates.failed,
        failure_rates.in_progress,
        failure_rates.is_settled
    from bedrock_analytics.failure_rates
    inner join bedrock_analytics.window_starts
        on failure_rates.submit_date > window_starts.since_date
        and failure_rates.submit_date <= window_starts.end_date
    where failure_rates.cohort = 'date'

    union all

    select
        window_starts.end_date,
        edges.model_id,
        edges.invocations,
        case when edges.status = 'Completed' then edges.invocations else 0 end as completed,
        case when edges.status = 'Failed' then edges.invocations else 0 end as failed,
        case when edges.status = 'InProgress' then edges.invocations else 0 end as in_progress,
        not edges.is_open as is_settled
    from bedrock_analytics.window_edges as edges
    inner join bedrock_analytics.window_starts
        on edges.submit_date = window_starts.since_date
    where edges.is_submitted
),

counted as (
    select
        'recent model' as cohort,
        cast(null as varchar) as account_id,
        cast(null as varchar) as region,
        model_id,
        cast(null as timestamptz) as submit_hour,
        end_date as submit_date,
        cast(sum(invocations) as bigint) as invocations,
        cast(sum(completed) as bigint) as completed,
        cast(sum(failed) as bigint) as failed,
        cast(sum(in_progress) as bigint) as in_progress,
        count(*) filter (where not is_settled) = 0 as is_settled
    from counts
    group by end_date, model_id
),

-- From here on as in failure_rates.sql, of which it is a copy.
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
