-- One row per account, region, model, status, date and bucket: as latency_buckets, with what its date
-- is in. For the dates that a period cuts, the same again by the instant at which it begins.
select
    account,
    region,
    model,
    day,
    since_ms,
    status,
    bucket,
    latencies_ms
from dated('bedrock_analytics.latency_buckets')

union all

select
    account,
    region,
    model,
    null as day,
    since_ms,
    status,
    cast(floor(100 * ln(1 + greatest(0, latency_ms))) as bigint) as bucket,
    array_agg(latency_ms) as latencies_ms
from report_cut
where latency_ms is not null
group by all
