-- One row per account, region, model, hour of submission (UTC) and failure category that is within a
-- window of failure_spikes: how many invocations ended so.
--
-- failure_category: null for Completed ones
-- ended: invocations that ended so
-- usual: failed ones of the category in an hour, on average of the seven dates before; 0 for Completed
-- example_arn: ARN of one of them; null for Completed
-- dated by: submit_date
-- reads back: 7 days
with

spikes as (
    select
        *,
        cast(window_start at time zone 'UTC' as date) as submit_date
    from bedrock_analytics.failure_spikes
),

hours as (
    select
        rates.account_id,
        rates.region,
        rates.model_id,
        rates.submit_hour,
        rates.submit_date,
        max(rates.completed) as completed
    from bedrock_analytics.failure_rates as rates
    inner join spikes
        on rates.submit_date = spikes.submit_date
        and rates.model_id is not distinct from spikes.model_id
        and (spikes.level = 'model' or rates.region is not distinct from spikes.region)
        and (spikes.level <> 'scope' or rates.account_id is not distinct from spikes.account_id)
        and rates.submit_hour >= spikes.window_start
        and rates.submit_hour < spikes.window_start + spikes.window_hours * interval '1' hour
    where rates.cohort = 'hour'
    group by
        rates.account_id, rates.region, rates.model_id, rates.submit_hour, rates.submit_date
),

failures as (
    select
        invocations.account_id,
        invocations.region,
        invocations.model_id,
        invocations.submit_hour,
        invocations.submit_date,
        invocations.failure_category,
        count(*) as ended,
        min(invocations.invocation_arn) as example_arn
    from bedrock_analytics.invocations
    inner join hours
        on invocations.submit_hour = hours.submit_hour
        and invocations.submit_date = hours.submit_date
        and invocations.account_id is not distinct from hours.account_id
        and invocations.region is not distinct from hours.region
        and invocations.model_id is not distinct from hours.model_id
    where invocations.is_failed
    group by
        invocations.account_id,
        invocations.region,
        invocations.model_id,
        invocations.submit_hour,
        invocations.submit_date,
        invocations.failure_category
)

select
    account_id,
    region,
    model_id,
    submit_hour,
    submit_date,
    cast(null as text) as failure_category,
    completed as ended,
    0e0 as usual,
    cast(null as text) as example_arn
from hours

union all

select
    failures.account_id,
    failures.region,
    failures.model_id,
    failures.submit_hour,
    failures.submit_date,
    failures.failure_category,
    failures.ended,
    coalesce(sum(reasons.failed), 0) / 168e0 as usual,
    failures.example_arn
from failures
left join bedrock_analytics.failure_reasons_daily as reasons
    on failures.account_id is not distinct from reasons.account_id
    and failures.region is not distinct from reasons.region
    and failures.model_id is not distinct from reasons.model_id
    and failures.failure_category = reasons.failure_category
    and reasons.submit_date < failures.submit_date
    and reasons.submit_date >= failures.submit_date - 7
group by
    failures.account_id,
    failures.region,
    failures.model_id,
    failures.submit_hour,
    failures.submit_date,
    failures.failure_category,
    failures.ended,
    failures.example_arn
