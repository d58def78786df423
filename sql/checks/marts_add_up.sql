-- What the marts count adds up to what invocations has, per account, region and model.
--
-- dated by: submit_date
with

-- A column for each mart, called after it.
counted as (
    select
        account_id,
        region,
        model_id,
        count(*) as failure_rate_hourly,
        count(*) as failure_rate_daily,
        count(*) filter (where is_failed) as failure_reasons_daily,
        count(latency_seconds) as latency_hourly,
        count(latency_seconds) as latency_daily,
        count(latency_seconds)
            + count(submit_time) filter (where is_open) as latency_survival_daily,
        count(submit_time) as in_flight_hourly,
        count(*) filter (where is_open or is_vanished) as open_submissions
    from bedrock_analytics.invocations
    group by account_id, region, model_id
),

ledger as (
    select mart, account_id, region, model_id, expected, 0 as found
    from counted
    unpivot (
        expected for mart in (
            failure_rate_hourly,
            failure_rate_daily,
            failure_reasons_daily,
            latency_hourly,
            latency_daily,
            latency_survival_daily,
            in_flight_hourly,
            open_submissions
        )
    )
    union all
    select 'failure_rate_hourly', account_id, region, model_id, 0, invocations
    from bedrock_analytics.failure_rate_hourly
    union all
    select 'failure_rate_daily', account_id, region, model_id, 0, invocations
    from bedrock_analytics.failure_rate_daily
    union all
    select 'failure_reasons_daily', account_id, region, model_id, 0, failed
    from bedrock_analytics.failure_reasons_daily
    union all
    select 'latency_hourly', account_id, region, model_id, 0, measured
    from bedrock_analytics.latency_hourly
    union all
    select 'latency_daily', account_id, region, model_id, 0, measured
    from bedrock_analytics.latency_daily
    union all
    select 'latency_survival_daily', account_id, region, model_id, 0, ended + still_open
    from bedrock_analytics.latency_survival_daily
    union all
    select 'in_flight_hourly', account_id, region, model_id, 0, submitted
    from bedrock_analytics.in_flight_hourly
    union all
    select 'open_submissions', account_id, region, model_id, 0, 1
    from bedrock_analytics.open_submissions
)

select
    mart,
    account_id,
    region,
    model_id,
    cast(sum(expected) as bigint) as expected,
    cast(sum(found) as bigint) as found
from ledger
group by mart, account_id, region, model_id
having sum(expected) <> sum(found)
