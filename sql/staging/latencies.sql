-- One row per cohort of each of two kinds: how long those took that have ended.
--
-- cohort: hour or date (of submission, per account, region, model and status)
-- submit_hour: start of the hour; null for a date
-- measured: terminal invocations with an end_time
-- latency_avg: mean latency, seconds
-- latency_p50: median latency, seconds (percentiles are nearest-rank: the least latency that so
--   many per cent do not exceed, as percentile_disc has it)
-- latency_p90: 90th percentile of latency, seconds
-- latency_p95: 95th percentile of latency, seconds
-- latency_p99: 99th percentile of latency, seconds
-- latency_max: longest latency, seconds
-- dated by: submit_date
with

timed as (
    select
        account_id,
        region,
        model_id,
        status,
        submit_hour,
        submit_date,
        cast(round(latency_seconds * 1000) as bigint) as latency_ms
    from bedrock_analytics.invocations
    where latency_seconds is not null
),

measured as (
    select
        case when grouping(submit_hour) = 0 then 'hour' else 'date' end as cohort,
        account_id,
        region,
        model_id,
        status,
        submit_hour,
        submit_date,
        count(*) as measured,
        cast(sum(latency_ms) as double) / count(*) as average,
        list_sort(array_agg(latency_ms)) as ascending
    from timed
    group by grouping sets (
        (account_id, region, model_id, status, submit_hour, submit_date),
        (account_id, region, model_id, status, submit_date)
    )
)

select
    cohort,
    account_id,
    region,
    model_id,
    status,
    submit_hour,
    submit_date,
    measured,
    average / 1000 as latency_avg,
    cast(ascending[cast((50 * measured + 99) // 100 as bigint)] as double) / 1000 as latency_p50,
    cast(ascending[cast((90 * measured + 99) // 100 as bigint)] as double) / 1000 as latency_p90,
    cast(ascending[cast((95 * measured + 99) // 100 as bigint)] as double) / 1000 as latency_p95,
    cast(ascending[cast((99 * measured + 99) // 100 as bigint)] as double) / 1000 as latency_p99,
    cast(ascending[cast(measured as bigint)] as double) / 1000 as latency_max
from measured
