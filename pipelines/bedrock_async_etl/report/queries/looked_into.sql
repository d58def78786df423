-- The part `looked_into` of survivals.sql: the latencies of the buckets that a percentile is in.
--
-- Outer joins are made in the order in which they are written: from the few buckets to their lists.
select
    reached.number,
    reached.percentile,
    reached.ended,
    unnest(latencies.latencies_ms) as duration_ms
from reached
inner join report_members using (number)
left join report_latencies as latencies using (kind, account, region, model, part, bucket)
where reached.duration_ms is null
