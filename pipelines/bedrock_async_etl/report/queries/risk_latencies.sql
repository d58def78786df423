-- The part `latencies` of failure_rates.sql: of the cohorts in which one is open.
--
-- The latencies of a bucket in which no age is count as one: all of them as the longest.
with

age_buckets as (
    select distinct number, bucket
    from report_ages
),

found as (
    select
        members.number,
        max(counts.longest_ms) as latency_ms,
        cast(sum(counts.ended) as bigint) as ended,
        cast(sum(counts.failed) as bigint) as failed
    from report_counts as counts
    inner join report_members as members using (kind, account, region, model, part)
    semi join age_buckets as open_cohorts on members.number = open_cohorts.number
    anti join age_buckets
        on members.number = age_buckets.number
        and counts.bucket = age_buckets.bucket
    where counts.ended > 0
    group by members.number, counts.bucket

    union all

    select
        number,
        unnest(latencies.latencies_ms) as latency_ms,
        1 as ended,
        cast(latencies.status = 'Failed' as bigint) as failed
    from age_buckets
    inner join report_members using (number)
    inner join report_latencies as latencies using (kind, account, region, model, part, bucket)
)

select
    number as cohort,
    null as account_id,
    null as region,
    null as model_id,
    null as submit_hour,
    null as submit_date,
    greatest(0, latency_ms) as latency_ms,
    ended,
    failed
from found
