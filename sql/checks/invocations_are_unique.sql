-- No two rows of async_invokes are of the same invocation.
--
-- dated by: submit_date
with

-- Hashes are grouped faster than names.
alike as (
    select hash(invocation_arn) as arn_hash
    from bedrock.async_invokes
    group by hash(invocation_arn)
    having count(*) > 1
)

select
    invocation_arn,
    count(*) as rows_of_it
from bedrock.async_invokes
where hash(invocation_arn) in (select arn_hash from alike)
group by invocation_arn
having count(*) > 1
