-- One row per account, region, model and hour of submission: what became of it, with what its date is
-- in. For the dates that a period cuts, the same again by the instant at which it begins.
--
-- hour: in hours since 1970
-- day, since_ms: as in report_buckets
select
    account,
    region,
    model,
    date_diff('day', date '1970-01-01', stored.submit_date) as day,
    if(
        list_contains(getvariable('cut_dates'), stored.submit_date), null, periods.from_ms
    ) as since_ms,
    epoch_ms(stored.submit_hour) // 3_600_000 as hour,
    completed,
    failed
from keyed('bedrock_analytics.failure_rates') as stored
asof left join report_periods as periods
    on epoch_ms(stored.submit_date) >= periods.from_ms
where stored.cohort = 'hour' and stored.submit_date >= getvariable('cut_dates')[1]

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
