-- One row per account, region, model and failure category: the newest invocation that failed so.
with

failed as (
    select
        account,
        region,
        model,
        failure_category as category,
        submit_time,
        invocation_arn,
        failure_message
    from keyed('bedrock_analytics.invocations')
    where
        is_failed
        and epoch_ms(submit_time) >= (select min(from_ms) from report_periods)
    qualify row_number() over (
        partition by account, region, model, failure_category
        order by submit_time desc, invocation_arn
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
