-- One row per account, region, model and date of submission (UTC): the Kaplan-Meier estimate of
-- latency, which holds while invocations are still open.
--
-- With none open, the estimate is the nearest-rank percentile of those that have ended.
--
-- ended: terminal invocations with an end_time, Completed and Failed
-- still_open: open invocations
with

settled as (
    select latencies.*
    from bedrock_analytics.latencies
    left join bedrock_analytics.survivals
        on survivals.cohort = 'date'
        and latencies.account_id is not distinct from survivals.account_id
        and latencies.region is not distinct from survivals.region
        and latencies.model_id is not distinct from survivals.model_id
        and latencies.submit_date is not distinct from survivals.submit_date
    where latencies.cohort = 'date' and survivals.cohort is null
)

select
    account_id,
    region,
    model_id,
    submit_date,
    measured as ended,
    cast(0 as bigint) as still_open,
    latency_p50 as p50,
    latency_p90 as p90,
    latency_p95 as p95,
    latency_p99 as p99
from settled

union all

select
    account_id,
    region,
    model_id,
    submit_date,
    ended,
    still_open,
    p50,
    p90,
    p95,
    p99
from bedrock_analytics.survivals
where cohort = 'date'
order by account_id, region, model_id, submit_date
