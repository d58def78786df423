-- One row per model that was called in the last 30 days, in all accounts and regions together.
--
-- still_open: open invocations of those 30 days
-- open_invocations: open invocations, however old
-- stuck: open invocations that are older than three times the model's usual 99th percentile
-- measured: terminal invocations with an end_time, Completed and Failed; of these are latency_*
-- survival_p50: 50 % end within so many seconds, by the Kaplan-Meier estimate
-- survival_p95: 95 % end within so many seconds, by the Kaplan-Meier estimate
-- survival_p99: 99 % end within so many seconds, by the Kaplan-Meier estimate
with

failure_rates as (
    select * from bedrock_analytics.failure_rates
    where cohort = 'recent model'
),

latencies as (
    select * from bedrock_analytics.latencies
    where cohort = 'recent model'
),

survivals as (
    select * from bedrock_analytics.survivals
    where cohort = 'recent model'
),

open_invocations as (
    select
        model_id,
        count(*) as open_invocations,
        count(*) filter (where is_stuck) as stuck
    from bedrock_analytics.open_invocations
    group by model_id
)

select
    failure_rates.model_id,
    failure_rates.invocations,
    failure_rates.completed,
    failure_rates.failed,
    failure_rates.in_progress,
    failure_rates.failure_rate,
    failure_rates.failure_rate_low,
    failure_rates.failure_rate_high,
    coalesce(latencies.measured, 0) as measured,
    latencies.latency_p50,
    latencies.latency_p95,
    latencies.latency_p99,
    coalesce(survivals.still_open, 0) as still_open,
    survivals.p50 as survival_p50,
    survivals.p95 as survival_p95,
    survivals.p99 as survival_p99,
    coalesce(open_invocations.open_invocations, 0) as open_invocations,
    coalesce(open_invocations.stuck, 0) as stuck
from failure_rates
left join latencies
    on failure_rates.model_id is not distinct from latencies.model_id
left join survivals
    on failure_rates.model_id is not distinct from survivals.model_id
left join open_invocations
    on failure_rates.model_id is not distinct from open_invocations.model_id
order by model_id
