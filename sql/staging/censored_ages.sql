-- One row per invocation of unmeasured_ages: the age at which estimates of its date or hour stop
-- counting it.
--
-- Past the longest latency of its account, region, model and date, an age changes no estimate. So it
-- grows no further, and a date on which only such invocations are open stays as it is.
--
-- age_ms: its age, at most a millisecond above the longest latency
-- dated by: submit_date
with

longest as (
    select
        account_id,
        region,
        model_id,
        submit_date,
        max(cast(round(latency_max * 1000) as bigint)) as latency_ms
    from bedrock_analytics.latency_daily
    group by account_id, region, model_id, submit_date
)

select
    ages.account_id,
    ages.region,
    ages.model_id,
    date_trunc('hour', ages.submit_time at time zone 'UTC') at time zone 'UTC' as submit_hour,
    ages.submit_date,
    least(ages.age_ms, 1 + coalesce(longest.latency_ms, 0)) as age_ms,
    ages.is_open
from bedrock_analytics.unmeasured_ages as ages
left join longest
    on ages.account_id is not distinct from longest.account_id
    and ages.region is not distinct from longest.region
    and ages.model_id is not distinct from longest.model_id
    and ages.submit_date is not distinct from longest.submit_date
