-- The model invocations has as many rows as async_invokes, per account, region, model and status.
--
-- dated by: submit_date
with

ledger as (
    select account_id, region, model_id, status, 1 as loaded, 0 as modelled
    from bedrock.async_invokes
    union all
    select account_id, region, model_id, status, 0, 1
    from bedrock_analytics.invocations
)

select
    account_id,
    region,
    model_id,
    status,
    cast(sum(loaded) as bigint) as loaded,
    cast(sum(modelled) as bigint) as modelled
from ledger
group by account_id, region, model_id, status
having sum(loaded) <> sum(modelled)
