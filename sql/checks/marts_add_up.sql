-- What the marts count adds up to what invocations has, per account, region and model.
with

expected as (
    select
        invocations.account_id,
        invocations.region,
        invocations.model_id,
        count(*) as invocations,
        count(*) filter (where invocations.is_failed) as failed,
        count(*) filter (where invocations.is_open) as still_open,
        count(invocations.latency_seconds) as measured,
        count(invocations.age_seconds) as aged,
        count(invocations.submit_time) as submitted
    from bedrock_analytics.invocations
    group by invocations.account_id, invocations.region, invocations.model_id
),

ledger as (
    select
        'failure_rate_hourly' as mart,
        account_id,
        region,
        model_id,
        invocations as expected,
        0 as found
    from expected
    union all
    select 'failure_rate_hourly', account_id, region, model_id, 0, invocations
    from bedrock_analytics.failure_rate_hourly

    union all

    select 'failure_rate_daily', account_id, region, model_id, invocations, 0
    from expected
    union all
    select 'failure_rate_daily', account_id, region, model_id, 0, invocations
    from bedrock_analytics.failure_rate_daily

    union all

    select 'failure_reasons_daily', account_id, region, model_id, failed, 0
    from expected
    union all
    select 'failure_reasons_daily', account_id, region, model_id, 0, failed
    from bedrock_analytics.failure_reasons_daily

    union all

    select 'latency_hourly', account_id, region, model_id, measured, 0
    from expected
    union all
    select 'latency_hourly', account_id, region, model_id, 0, measured
    from bedrock_analytics.latency_hourly

    union all

    select 'latency_daily', account_id, region, model_id, measured, 0
    from expected
    union all
    select 'latency_daily', account_id, region, model_id, 0, measured
    from bedrock_analytics.latency_daily

    union all

    select 'latency_survival_daily', account_id, region, model_id, measured + aged, 0
    from expected
    union all
    select 'latency_survival_daily', account_id, region, model_id, 0, ended + still_open
    from bedrock_analytics.latency_survival_daily

    union all

    select 'in_flight_hourly', account_id, region, model_id, submitted, 0
    from expected
    union all
    select 'in_flight_hourly', account_id, region, model_id, 0, submitted
    from bedrock_analytics.in_flight_hourly

    union all

    select 'open_invocations', account_id, region, model_id, still_open, 0
    from expected
    union all
    select 'open_invocations', account_id, region, model_id, 0, 1
    from bedrock_analytics.open_invocations
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
