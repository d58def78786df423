-- No two rows of async_invokes are of the same invocation.
with

async_invokes as (
    select * from bedrock.async_invokes
)

select
    invocation_arn,
    count(*) as rows_of_it
from async_invokes
group by invocation_arn
having count(*) > 1
