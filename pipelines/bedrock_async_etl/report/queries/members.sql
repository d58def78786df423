-- One row per invocation, cohort and selection that it belongs to.
select
    cohorts.cohort,
    selections.in_account as account,
    selections.in_region as region,
    selections.in_model as model,
    cohorts.latency_ms,
    cohorts.age_ms
from report_cohorts as cohorts
inner join report_selections as selections using (account, region, model)
where cohorts.latency_ms is not null or cohorts.age_ms is not null
