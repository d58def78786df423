-- One row per invocation of the longest period and the one before it, by its keys.
select
    leaves.account,
    leaves.region,
    leaves.model,
    date_diff('day', date '1970-01-01', lifetimes.submit_date) as day,
    lifetimes.submitted_ms,
    lifetimes.status,
    lifetimes.latency_ms,
    lifetimes.age_ms
from bedrock_analytics.lifetimes
inner join report_leaves as leaves
    on lifetimes.account_id is not distinct from leaves.account_id
    and lifetimes.region is not distinct from leaves.region_name
    and lifetimes.model_id is not distinct from leaves.model_id
where lifetimes.submitted_ms >= (select min(from_ms) from report_periods)
