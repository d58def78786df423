-- One row per period, account, region and model: what became of those submitted in it.
select
    periods.cohort,
    invocations.account,
    invocations.region,
    invocations.model,
    count(*) as invocations,
    count(*) filter (where invocations.status = 'Completed') as completed,
    count(*) filter (where invocations.status = 'Failed') as failed
from report_invocations as invocations
inner join report_periods as periods
    on invocations.submitted_ms >= periods.from_ms
    and invocations.submitted_ms < periods.until_ms
group by all
order by all
