-- One row per account, region, model and date that the longest period touches: what became of it.
select
    account,
    region,
    model,
    date_diff('day', date '1970-01-01', submit_date) as day,
    cast(sum(invocations) as bigint) as invocations,
    cast(sum(completed) as bigint) as completed,
    cast(sum(failed) as bigint) as failed,
    bool_and(is_settled) as is_settled
from keyed('bedrock_analytics.failure_rate_daily')
where day >= getvariable('from_ms') // 86_400_000
group by all
order by all
