-- No two rows of async_invokes are of the same invocation.
--
-- dated by: submit_date
select
    invocation_arn,
    count(*) as rows_of_it
from bedrock.async_invokes
group by invocation_arn
having count(*) > 1
