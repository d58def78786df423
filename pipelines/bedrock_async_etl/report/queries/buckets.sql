-- One row per account, region, model, status, date and bucket: as latency_buckets, with what its date
-- is in. For the dates that a period cuts, the same again by the instant at which it begins.
--
-- day: the date, in days since 1970; null for the parts of dates
-- since_ms: the last instant before its submission at which a period begins; null for dates that
--   are cut
select
    account,
    region,
    model,
    date_diff('day', date '1970-01-01', stored.submit_date) as day,
    if(
        list_contains(getvariable('cut_dates'), stored.submit_date), null, periods.from_ms
    ) as since_ms,
    status,
    bucket,
    latencies_ms
from keyed('bedrock_analytics.latency_buckets') as stored
asof left join report_periods as periods
    on epoch_ms(stored.submit_date) >= periods.from_ms
where stored.submit_date >= getvariable('cut_dates')[1]

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
