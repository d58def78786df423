-- The model invocations has each row of async_invokes once, and no others.
with

async_invokes as (
    select
        invocation_arn,
        count(*) as loaded
    from bedrock.async_invokes
    group by invocation_arn
),

invocations as (
    select
        invocation_arn,
        count(*) as modelled
    from bedrock_analytics.invocations
    group by invocation_arn
)

select
    coalesce(async_invokes.invocation_arn, invocations.invocation_arn) as invocation_arn,
    async_invokes.loaded,
    invocations.modelled
from async_invokes
full outer join invocations
    on async_invokes.invocation_arn = invocations.invocation_arn
where async_invokes.loaded is distinct from invocations.modelled
