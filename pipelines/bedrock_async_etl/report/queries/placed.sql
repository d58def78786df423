-- The part `placed` of survivals.sql: how many latencies of a bucket, or which age, a cohort has.
--
-- The latencies are looked up only where they matter, since each belongs to many cohorts.
select
    members.number,
    counts.bucket,
    cast(null as bigint[]) as latencies_ms,
    counts.age_ms,
    counts.is_open,
    counts.ended
from report_counts as counts
inner join report_members as members using (kind, account, region, model, part)
