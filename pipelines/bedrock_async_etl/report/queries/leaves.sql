-- One row per account, region and model that the report shows, with their keys: a leaf's is its place
-- in the order, those of account, region and model are ranks by invocations.
with counts as (
    select account_id, region, model_id, invocations
    from report_submitted

    union all

    -- Open invocations have a leaf even if they were submitted before the period.
    select account_id, region, model_id, 0 as invocations
    from bedrock_analytics.open_invocations
),

leaves as (
    select
        account_id,
        region as region_name,
        model_id,
        sum(sum(invocations)) over (partition by account_id) as of_account,
        sum(sum(invocations)) over (partition by region) as of_region,
        sum(sum(invocations)) over (partition by model_id) as of_model
    from counts
    group by account_id, region, model_id
)

select
    row_number() over (order by account_id, region_name, model_id) - 1 as leaf,
    dense_rank() over (order by of_account desc, account_id nulls first) - 1 as account,
    dense_rank() over (order by of_region desc, region_name nulls first) - 1 as region,
    dense_rank() over (order by of_model desc, model_id nulls first) - 1 as model,
    account_id,
    region_name,
    model_id
from leaves
