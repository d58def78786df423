-- One row per account, region and model that the report shows: how many invocations it has.
with

first as (
    select
        make_timestamptz($from_ms * 1000) as instant,
        cast(epoch_ms($from_ms) as date) as submit_date
),

counts as (
    select account_id, region, model_id, invocations
    from bedrock_analytics.failure_rate_daily
    where submit_date > (select submit_date from first)

    union all

    select account_id, region, model_id, count(*) as invocations
    from bedrock_analytics.invocations
    where
        submit_date = (select submit_date from first)
        and submit_time >= (select instant from first)
    group by all

    union all

    select account_id, region, model_id, count(*) as invocations
    from bedrock_analytics.open_invocations
    group by all
)

select
    account_id,
    region,
    model_id,
    cast(sum(invocations) as bigint) as invocations
from counts
group by all
order by all
