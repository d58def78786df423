-- The mart open_invocations has the rows of open_submissions, per account, region and model.
with

ledger as (
    select account_id, region, model_id, 1 as expected, 0 as found
    from bedrock_analytics.open_submissions
    union all
    select account_id, region, model_id, 0, 1
    from bedrock_analytics.open_invocations
)

select
    account_id,
    region,
    model_id,
    cast(sum(expected) as bigint) as expected,
    cast(sum(found) as bigint) as found
from ledger
group by account_id, region, model_id
having sum(expected) <> sum(found)
