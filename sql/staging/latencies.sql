-- One row per cohort of each of five kinds: how long those took that have ended.
--
-- cohort: status and hour, status and date (of submission, per account, region and model), date
--   (likewise, whatever the status), recent model (all scopes, the last 30 days), or model (all
--   there ever was); columns that a cohort does not have are null
-- measured: terminal invocations with an end_time
-- latency_avg: mean latency, seconds
-- latency_p50: median latency, seconds (percentiles are nearest-rank: the least latency that so
--   many per cent do not exceed, as percentile_disc has it)
-- latency_p90: 90th percentile of latency, seconds
-- latency_p95: 95th percentile of latency, seconds
-- latency_p99: 99th percentile of latency, seconds
-- latency_max: longest latency, seconds
with

lifetimes as (
    select * from bedrock_analytics.lifetimes
),

measured as (
    select
        case
            when grouping(submit_hour) = 0 then 'status and hour'
            when grouping(status) = 0 then 'status and date'
            when grouping(submit_date) = 0 then 'date'
            when grouping(is_recent) = 0 then 'recent model'
            else 'model'
        end as cohort,
        account_id,
        region,
        model_id,
        status,
        submit_hour,
        submit_date,
        is_recent,
        count(*) as measured,
        cast(sum(latency_ms) as double) / count(*) as average,
        list_sort(array_agg(latency_ms)) as ascending
    from lifetimes
    where latency_ms is not null
    group by grouping sets (
        (account_id, region, model_id, status, submit_hour),
        (account_id, region, model_id, status, submit_date),
        (account_id, region, model_id, submit_date),
        (model_id, is_recent),
        (model_id)
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
where coalesce(is_recent, true)
