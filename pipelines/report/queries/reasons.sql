-- One row per period, account, region, model and failure category: how many failed for it.
select
    periods.cohort,
    leaves.account,
    leaves.region,
    leaves.model,
    invocations.failure_category as category,
    count(*) as failed
from bedrock_analytics.invocations
inner join report_periods as periods
    on not periods.is_previous
    and epoch_ms(invocations.submit_time) >= periods.from_ms
    and epoch_ms(invocations.submit_time) < periods.until_ms
inner join report_leaves as leaves
    on invocations.account_id is not distinct from leaves.account_id
    and invocations.region is not distinct from leaves.region_name
    and invocations.model_id is not distinct from leaves.model_id
where invocations.is_failed
group by all
order by all
