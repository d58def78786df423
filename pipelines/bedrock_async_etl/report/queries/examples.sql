-- One row per leaf and failure category: the newest invocation that failed so.
with newest as (
    select
        leaf,
        failure_category,
        max(last_seen) as submit_time,
        max(submit_date) as submit_date
    from keyed('bedrock_analytics.failure_reasons_daily')
    where epoch_ms(last_seen) >= getvariable('from_ms')
    group by all
)

select
    leaf,
    outcomes.outcome,
    epoch_ms(submit_time) as submitted_ms,
    invocation_arn,
    failure_message[:500] as failure_message
from keyed('bedrock_analytics.invocations')
inner join newest using (leaf, failure_category, submit_time, submit_date)
inner join report_outcomes as outcomes
    on outcomes.outcome > 2
    and failure_category = outcomes.name
where is_failed
qualify row_number() over (partition by leaf, failure_category order by invocation_arn) = 1
order by submitted_ms desc, invocation_arn
limit $limit
