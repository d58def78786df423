-- What became of the invocations of each account, region, model and hour of submission (UTC) that is
-- within a window of failure_spikes, and what usually becomes of them: one row for Completed ones, one
-- for each failure category of the hour, and one for each category of the seven dates before.
--
-- failure_category: null for Completed ones
-- ended: invocations that ended so in the hour; 0 in rows of the dates before
-- usual: failed ones in an hour, on average of the dates before; 0 in rows of the hour
-- example_arn: ARN of one that failed in the hour; null in other rows
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
    group by all
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
    group by all
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
    account_id,
    region,
    model_id,
    submit_hour,
    submit_date,
    failure_category,
    ended,
    0e0 as usual,
    example_arn
from failures

union all

select
    hours.account_id,
    hours.region,
    hours.model_id,
    hours.submit_hour,
    hours.submit_date,
    reasons.failure_category,
    0 as ended,
    sum(reasons.failed) / 168e0 as usual,
    cast(null as text) as example_arn
from hours
inner join bedrock_analytics.failure_reasons_daily as reasons
    on hours.account_id is not distinct from reasons.account_id
    and hours.region is not distinct from reasons.region
    and hours.model_id is not distinct from reasons.model_id
    and reasons.submit_date < hours.submit_date
    and reasons.submit_date >= hours.submit_date - 7
group by
    hours.account_id,
    hours.region,
    hours.model_id,
    hours.submit_hour,
    hours.submit_date,
    reasons.failure_category
