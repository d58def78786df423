-- One row per account, region, model and date that the longest period touches: what became of it.
select
    leaves.account,
    leaves.region,
    leaves.model,
    date_diff('day', date '1970-01-01', rates.submit_date) as day,
    cast(sum(rates.invocations) as bigint) as invocations,
    cast(sum(rates.completed) as bigint) as completed,
    cast(sum(rates.failed) as bigint) as failed,
    bool_and(rates.is_settled) as is_settled
from bedrock_analytics.failure_rate_daily as rates
inner join report_leaves as leaves
    on rates.account_id is not distinct from leaves.account_id
    and rates.region is not distinct from leaves.region_name
    and rates.model_id is not distinct from leaves.model_id
where rates.submit_date >= (
    select cast(make_timestamp_ms(min(from_ms)) as date) from report_periods where not is_previous
)
group by all
order by all
