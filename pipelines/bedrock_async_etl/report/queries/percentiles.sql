-- One row per cohort and selection: percentiles of those that have ended, and the estimate that
-- holds while others are open. With none open, they are the same.
select
    cohort,
    account_id as account,
    region,
    model_id as model,
    coalesce(latencies.measured, 0) as ended,
    coalesce(survivals.still_open, 0) as still_open,
    latencies.latency_p50,
    latencies.latency_p95,
    latencies.latency_p99,
    if(survivals.ended is null, latencies.latency_p50, survivals.p50) as survival_p50,
    if(survivals.ended is null, latencies.latency_p95, survivals.p95) as survival_p95,
    if(survivals.ended is null, latencies.latency_p99, survivals.p99) as survival_p99
from report_latencies as latencies
full join report_survivals as survivals using (cohort, account_id, region, model_id)
order by all
