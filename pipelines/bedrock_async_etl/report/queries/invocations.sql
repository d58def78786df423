-- One row per invocation of the longest period and the one before it, by its keys.
select
    account,
    region,
    model,
    date_diff('day', date '1970-01-01', submit_date) as day,
    submitted_ms,
    status,
    latency_ms,
    age_ms
from keyed('bedrock_analytics.lifetimes')
where submitted_ms >= (select min(from_ms) from report_periods)
