-- One row per account, region, model and failure category: the newest invocation that failed so.
with newest as (
    select
        account,
        region,
        model,
        failure_category,
        max(last_seen) as submit_time,
        max(submit_date) as submit_date
    from keyed('bedrock_analytics.failure_reasons_daily')
    where epoch_ms(last_seen) >= (select min(from_ms) from report_periods)
    group by all
)

select
    account,
    region,
    model,
    failure_category as category,
    epoch_ms(submit_time) as submitted_ms,
    invocation_arn,
    failure_message[:500] as failure_message
from keyed('bedrock_analytics.invocations')
inner join newest using (account, region, model, failure_category, submit_time, submit_date)
where is_failed
qualify row_number() over (
    partition by account, region, model, category
    order by invocation_arn
) = 1
order by submitted_ms desc, invocation_arn
limit $limit
