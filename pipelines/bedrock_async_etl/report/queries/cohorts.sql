-- One row per kind, cohort and selection of report_members.
select distinct
    number,
    kind,
    cohort,
    in_account as account,
    in_region as region,
    in_model as model
from report_members
