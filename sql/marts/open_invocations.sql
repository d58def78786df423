-- One row per open or vanished invocation.
--
-- status: InProgress, null, or what AWS added
-- age_seconds: how long it had run at its scope's last successful run, or when it vanished
-- typical_p99: 99th percentile of the latency, seconds, of its model's Completed invocations that
--   ended in the 30 days before the newest successful run, in any scope; null for fewer than 30
-- is_stuck: open and older than three times typical_p99; null where that is null, false if vanished
-- is_vanished: no longer listed, and so not open
with

typical as (
    select
        model_id,
        case when ended >= 30 then p99 end as p99
    from bedrock_analytics.recent_survivals
    where cohort = 'typical'
)

select
    open_ages.invocation_arn,
    open_ages.account_id,
    open_ages.region,
    open_ages.model_id,
    open_ages.status,
    open_ages.submit_time,
    open_ages.output_s3_uri,
    cast(open_ages.age_ms as double) / 1000 as age_seconds,
    typical.p99 as typical_p99,
    not open_ages.is_vanished and cast(open_ages.age_ms as double) / 1000 > 3 * typical.p99
        as is_stuck,
    open_ages.is_vanished
from bedrock_analytics.open_ages
left join typical
    on open_ages.model_id is not distinct from typical.model_id
order by age_seconds desc, invocation_arn
