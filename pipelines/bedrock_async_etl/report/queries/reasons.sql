-- One row per period, account, region, model and failure category: how many failed for it.
select
    periods.cohort,
    invocations.account,
    invocations.region,
    invocations.model,
    invocations.failure_category as category,
    count(*) as failed
from keyed('bedrock_analytics.invocations') as invocations
inner join report_periods as periods
    on not periods.is_previous
    and epoch_ms(invocations.submit_time) >= periods.from_ms
    and epoch_ms(invocations.submit_time) < periods.until_ms
where invocations.is_failed
group by all
order by all
