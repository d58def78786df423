-- One row per kind, account, region, model, part and bucket of report_latencies, and one per
-- invocation of unmeasured_ages and kind.
--
-- ended: the number of latencies
-- failed: those of them of failures
-- longest_ms: the longest of them
-- age_ms: the age of one without a latency; null for latencies
-- is_open: false for latencies
with ages as (
    select
        account,
        region,
        model,
        date_diff('day', date '1970-01-01', submit_date) as day,
        epoch_ms(submit_time) as submitted_ms,
        cast(floor(100 * ln(1 + greatest(0, age_ms))) as bigint) as bucket,
        age_ms,
        is_open
    from keyed('bedrock_analytics.unmeasured_ages')
)

select
    kind,
    account,
    region,
    model,
    part,
    bucket,
    cast(sum(len(latencies_ms)) as bigint) as ended,
    cast(coalesce(sum(len(latencies_ms)) filter (where status = 'Failed'), 0) as bigint) as failed,
    max(list_max(latencies_ms)) as longest_ms,
    null as age_ms,
    false as is_open
from report_latencies
group by all

union all

select
    'day' as kind,
    account,
    region,
    model,
    day as part,
    bucket,
    0 as ended,
    0 as failed,
    null as longest_ms,
    age_ms,
    is_open
from ages
where day >= getvariable('from_ms') // 86_400_000

union all

select
    'period' as kind,
    account,
    region,
    model,
    periods.from_ms as part,
    bucket,
    0 as ended,
    0 as failed,
    null as longest_ms,
    age_ms,
    is_open
from ages
asof join report_periods as periods
    on submitted_ms >= periods.from_ms
