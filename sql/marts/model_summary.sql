-- One row per model that was called in the last 30 days, or has open or vanished invocations, in all
-- accounts and regions together.
--
-- invocations: all that were submitted in the 30 days, whatever their status
-- failed: those that are Failed
-- failed_client: failed ones that are the client's fault; with the three below, all that failed
-- failed_service: failed ones that are the service's fault
-- failed_content: failed ones whose content was filtered
-- failed_unknown: failed ones of an unknown category, or one of your own
-- still_open: open invocations of those 30 days
-- open_invocations: open invocations, however old
-- vanished: those that were open and are no longer listed, however old
-- stuck: open invocations that are older than three times the model's typical 99th percentile; 0
--   where that is unknown
-- stuck_unknown: open invocations of which it is unknown whether they are stuck, since fewer than
--   30 of the model were Completed in the 30 days
-- is_stalled: nothing ends: at least 5 have been open for more than 24 hours, and none has ended in
--   the 24 hours before open ones were read last
-- measured: terminal invocations with an end_time, Completed and Failed; of these are latency_*
-- latency_p50: half of those measured took at most so many seconds
-- latency_p95: 95 % of those measured took at most so many seconds
-- latency_p99: 99 % of those measured took at most so many seconds
-- survival_p50: 50 % end within so many seconds, by the Kaplan-Meier estimate
-- survival_p95: 95 % end within so many seconds, by the Kaplan-Meier estimate
-- survival_p95_low: lower bound of its 95 % interval; null beyond the estimate, 0 for too few
-- survival_p95_high: its upper bound; null beyond the estimate
-- survival_p99: 99 % end within so many seconds, by the Kaplan-Meier estimate
-- failure_rate_before: failed / (completed + failed) of the 30 days before; null where both are 0
with

open_invocations as (
    select
        model_id,
        count(*) filter (where not is_vanished) as open_invocations,
        count(*) filter (where is_vanished) as vanished,
        count(*) filter (where is_stuck) as stuck,
        count(*) filter (where is_stuck is null) as stuck_unknown,
        count(*) filter (where not is_vanished and age_seconds > 86400) as open_for_a_day,
        max(case when not is_vanished then epoch_us(submit_time) / 1e6 + age_seconds end)
            as read_seconds
    from bedrock_analytics.open_invocations
    group by model_id
),

models as (
    select model_id from bedrock_analytics.recent_failure_rates
    union
    select model_id from open_invocations
)

select
    models.model_id,
    coalesce(failure_rates.invocations, 0) as invocations,
    coalesce(failure_rates.completed, 0) as completed,
    coalesce(failure_rates.failed, 0) as failed,
    coalesce(faults.failed_client, 0) as failed_client,
    coalesce(faults.failed_service, 0) as failed_service,
    coalesce(faults.failed_content, 0) as failed_content,
    coalesce(faults.failed_unknown, 0) as failed_unknown,
    coalesce(failure_rates.in_progress, 0) as in_progress,
    failure_rates.failure_rate,
    failure_rates.failure_rate_low,
    failure_rates.failure_rate_high,
    failure_rates.failure_risk,
    failure_rates.failure_risk_low,
    failure_rates.failure_risk_high,
    coalesce(latencies.ended, 0) as measured,
    latencies.p50 as latency_p50,
    latencies.p95 as latency_p95,
    latencies.p99 as latency_p99,
    coalesce(survivals.still_open, 0) as still_open,
    survivals.p50 as survival_p50,
    survivals.p95 as survival_p95,
    survivals.p95_low as survival_p95_low,
    survivals.p95_high as survival_p95_high,
    survivals.p99 as survival_p99,
    coalesce(open_invocations.open_invocations, 0) as open_invocations,
    coalesce(open_invocations.vanished, 0) as vanished,
    coalesce(open_invocations.stuck, 0) as stuck,
    coalesce(open_invocations.stuck_unknown, 0) as stuck_unknown,
    coalesce(open_invocations.open_for_a_day >= 5, false)
        and coalesce(
            epoch_us(ends.last_end_hour) / 1e6 + 3600 <= open_invocations.read_seconds - 86400, true
        ) as is_stalled,
    coalesce(changes.change, 'unknown') as change,
    coalesce(changes.completed_before, 0) as completed_before,
    coalesce(changes.failed_before, 0) as failed_before,
    changes.failed_before / cast(
        nullif(changes.completed_before + changes.failed_before, 0) as double
    ) as failure_rate_before,
    changes.failure_z_score,
    changes.latency_z_score
from models
left join bedrock_analytics.recent_failure_rates as failure_rates
    on models.model_id is not distinct from failure_rates.model_id
left join bedrock_analytics.recent_survivals as latencies
    on latencies.cohort = 'recently ended'
    and models.model_id is not distinct from latencies.model_id
left join bedrock_analytics.recent_survivals as survivals
    on survivals.cohort = 'recent'
    and models.model_id is not distinct from survivals.model_id
left join open_invocations
    on models.model_id is not distinct from open_invocations.model_id
left join bedrock_analytics.recent_ends as ends
    on models.model_id is not distinct from ends.model_id
left join bedrock_analytics.recent_faults as faults
    on models.model_id is not distinct from faults.model_id
left join bedrock_analytics.recent_changes as changes
    on models.model_id is not distinct from changes.model_id
order by models.model_id
