-- One row per period, account, region and model: what became of those submitted in it.
select
    cohort,
    account,
    region,
    model,
    count(*) as invocations,
    count(*) filter (where status = 'Completed') as completed,
    count(*) filter (where status = 'Failed') as failed
from report_period_invocations
group by all
order by all
