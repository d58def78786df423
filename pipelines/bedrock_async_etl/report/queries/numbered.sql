-- The part `cohorts` of survivals.sql: a cohort is called by its number.
select
    number,
    number as cohort,
    null as account_id,
    null as region,
    null as model_id,
    null as submit_date
from report_cohorts
