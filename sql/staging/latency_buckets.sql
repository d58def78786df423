-- One row per account, region, model, status, date of submission (UTC) and bucket of latencies: the
-- latencies that are within 1 % of each other.
--
-- status: Completed or Failed
-- bucket: floor(100 * ln(1 + milliseconds)), at least 0
-- latencies_ms: the latencies in ascending order, milliseconds
-- dated by: submit_date
with

measured as (
    select
        account_id,
        region,
        model_id,
        status,
        submit_date,
        cast(round(latency_seconds * 1000) as bigint) as latency_ms
    from bedrock_analytics.invocations
    where latency_seconds is not null
)

select
    account_id,
    region,
    model_id,
    status,
    submit_date,
    cast(floor(100 * ln(1 + greatest(0, latency_ms))) as bigint) as bucket,
    list_sort(array_agg(latency_ms)) as latencies_ms
from measured
group by all
