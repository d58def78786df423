-- One row per account, region and model that the report shows: how many invocations it has.
with counts as (
    select account_id, region, model_id, invocations
    from report_submitted

    union all

    select account_id, region, model_id, 1 as invocations
    from bedrock_analytics.open_invocations
)

select
    account_id,
    region,
    model_id,
    cast(sum(invocations) as bigint) as invocations
from counts
group by all
order by all
