-- One row per date and selection with invocations that have no latency, such as open ones: the
-- percentiles of the others. Elsewhere they are those of the estimate.
select
    cohorts.cohort,
    cohorts.account,
    cohorts.region,
    cohorts.model,
    finished.p50 as latency_p50,
    finished.p95 as latency_p95,
    finished.p99 as latency_p99
from report_finished as finished
inner join report_cohorts as cohorts on finished.cohort = cohorts.number
order by all
