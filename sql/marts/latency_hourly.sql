-- One row per account, region, model, status and hour of submission (UTC): how long those
-- invocations took that have ended. While others are open this is too low: see
-- latency_survival_daily.
--
-- status: Completed or Failed
-- submit_hour: start of the hour of submission
-- dated by: submit_hour
select
    account_id,
    region,
    model_id,
    status,
    submit_hour,
    measured,
    latency_avg,
    latency_p50,
    latency_p90,
    latency_p95,
    latency_p99,
    latency_max
from bedrock_analytics.latencies
where cohort = 'hour'
