-- One row per outcome: its key, the failure category and fault; the first three are no failures.
select
    cast(row_number() over (order by position, name) - 1 as integer) as outcome,
    name,
    fault
from (
    select 0 as position, name, null as fault
    from (values ('completed'), ('open'), ('other')) as kinds (name)

    union all

    select distinct
        1 as position,
        failure_category as name,
        failure_fault as fault
    from report_submitted
    where status = 'failed'
)
order by outcome
