-- One row per account, region and model that the report shows: how many invocations it has.
select
    account_id,
    region,
    model_id,
    count(*) as invocations
from (
    select account_id, region, model_id
    from bedrock_analytics.lifetimes
    where submitted_ms >= $from_ms

    union all

    select account_id, region, model_id
    from bedrock_analytics.open_invocations
)
group by all
order by all
