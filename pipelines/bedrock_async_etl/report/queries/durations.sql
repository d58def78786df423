-- The part `durations` of survivals.sql: the latencies and ages of the buckets that have both.
--
-- Outer joins are made in the order in which they are written: from the few buckets to their lists.
select
    buckets.number,
    bucket,
    unnest(latencies.latencies_ms) as duration_ms,
    1 as ended,
    0 as censored
from buckets
inner join report_members using (number)
left join report_latencies as latencies using (kind, account, region, model, part, bucket)
where buckets.ended > 0 and buckets.censored > 0

union all

select
    placed.number,
    bucket,
    placed.age_ms as duration_ms,
    0 as ended,
    1 as censored
from placed
inner join buckets using (number, bucket)
where placed.ended = 0 and buckets.ended > 0
