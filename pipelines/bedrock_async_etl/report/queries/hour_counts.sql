-- One row per account, region, model and hour of submission: what became of it, with what its date is
-- in. For the dates that a period cuts, the same again by the instant at which it begins.
--
-- hour: in hours since 1970
select
    account,
    region,
    model,
    day,
    since_ms,
    epoch_ms(submit_hour) // 3_600_000 as hour,
    completed,
    failed
from dated('bedrock_analytics.failure_rates')
where cohort = 'hour'

union all

select
    account,
    region,
    model,
    null as day,
    since_ms,
    submitted_ms // 3_600_000 as hour,
    count(*) filter (where status = 'Completed') as completed,
    count(*) filter (where status = 'Failed') as failed
from report_cut
group by all
