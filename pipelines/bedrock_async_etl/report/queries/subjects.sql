-- One row per invocation, cohort and selection with any that is open, for survivals.sql.
select
    cohort,
    account as account_id,
    region,
    model as model_id,
    null as submit_date,
    latency_ms,
    age_ms
from report_members
semi join (from report_members where age_ms is not null)
    using (cohort, account, region, model)
