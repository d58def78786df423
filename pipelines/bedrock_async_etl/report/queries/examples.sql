-- One row per account, region, model and failure category: the newest invocation that failed so.
select
    account,
    region,
    model,
    failure_category as category,
    epoch_ms(submit_time) as submitted_ms,
    invocation_arn,
    failure_message[:500] as failure_message
from keyed('bedrock_analytics.invocations')
where is_failed and submitted_ms >= (select min(from_ms) from report_periods)
qualify row_number() over (
    partition by account, region, model, category
    order by submit_time desc, invocation_arn
) = 1
order by submitted_ms desc, invocation_arn
limit $limit
