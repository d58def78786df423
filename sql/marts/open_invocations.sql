-- One row per invocation that is still open.
--
-- status: InProgress, null, or what AWS added
-- typical_p99: 99th percentile of its model's latency, seconds, of all that ever ended anywhere;
--   null where none has
-- is_stuck: older than three times typical_p99; false where that is null
with

invocations as (
    select * from bedrock_analytics.invocations
    where is_open
),

latencies as (
    select * from bedrock_analytics.latencies
    where cohort = 'model'
)

select
    invocations.invocation_arn,
    invocations.account_id,
    invocations.region,
    invocations.model_id,
    invocations.status,
    invocations.submit_time,
    invocations.output_s3_uri,
    invocations.age_seconds,
    latencies.latency_p99 as typical_p99,
    coalesce(invocations.age_seconds > 3 * latencies.latency_p99, false) as is_stuck,
    invocations.is_vanished
from invocations
left join latencies
    on invocations.model_id is not distinct from latencies.model_id
order by age_seconds desc, invocation_arn
