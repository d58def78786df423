-- One row per cohort of a kind and selection: percentiles of those that have ended, and the estimate
-- that counts the others, too. With no others, they are the same.
select
    cohorts.cohort,
    cohorts.account,
    cohorts.region,
    cohorts.model,
    survivals.ended,
    survivals.still_open,
    if(survivals.censored = 0, survivals.p50, latencies.p50) as latency_p50,
    if(survivals.censored = 0, survivals.p95, latencies.p95) as latency_p95,
    if(survivals.censored = 0, survivals.p99, latencies.p99) as latency_p99,
    survivals.p50 as survival_p50,
    survivals.p95 as survival_p95,
    survivals.p99 as survival_p99
from report_survivals as survivals
inner join report_cohorts as cohorts on survivals.cohort = cohorts.number
left join report_finished as latencies on survivals.cohort = latencies.cohort
where cohorts.kind = $kind
order by all
