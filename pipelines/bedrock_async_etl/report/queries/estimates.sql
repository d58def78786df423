-- One row per cohort of a kind and selection: the failure risk, and the latencies of all, those that
-- are open included.
select
    cohorts.cohort,
    cohorts.account,
    cohorts.region,
    cohorts.model,
    coalesce(survivals.ended, 0) as ended,
    coalesce(survivals.still_open, 0) as still_open,
    round(risks.failure_risk, 5) as failure_risk,
    round(risks.failure_risk_low, 5) as failure_risk_low,
    round(risks.failure_risk_high, 5) as failure_risk_high,
    survivals.p50 as survival_p50,
    survivals.p95 as survival_p95,
    survivals.p99 as survival_p99
from report_cohorts as cohorts
inner join report_risks as risks on cohorts.number = risks.cohort
left join report_survivals as survivals on cohorts.number = survivals.cohort
where cohorts.kind = $kind
order by all
