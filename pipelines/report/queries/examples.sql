-- One row per account, region, model and failure category: the newest invocation that failed so.
with

failed as (
    select
        leaves.account,
        leaves.region,
        leaves.model,
        invocations.failure_category as category,
        invocations.submit_time,
        invocations.invocation_arn,
        invocations.failure_message
    from bedrock_analytics.invocations
    inner join report_leaves as leaves
        on invocations.account_id is not distinct from leaves.account_id
        and invocations.region is not distinct from leaves.region_name
        and invocations.model_id is not distinct from leaves.model_id
    where
        invocations.is_failed
        and epoch_ms(invocations.submit_time) >= (select min(from_ms) from report_periods)
    qualify row_number() over (
        partition by leaves.account, leaves.region, leaves.model, invocations.failure_category
        order by invocations.submit_time desc, invocations.invocation_arn
    ) = 1
)

select
    account,
    region,
    model,
    category,
    epoch_ms(submit_time) as submitted_ms,
    invocation_arn,
    failure_message[:500] as failure_message
from failed
order by submitted_ms desc, invocation_arn
limit $limit
