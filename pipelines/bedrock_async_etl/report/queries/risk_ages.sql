-- The part `ages` of failure_rates.sql.
select
    number as cohort,
    null as account_id,
    null as region,
    null as model_id,
    null as submit_hour,
    null as submit_date,
    age_ms
from report_ages
