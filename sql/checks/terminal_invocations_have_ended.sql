-- An invocation that is Completed or Failed has an end_time.
with

invocations as (
    select * from bedrock_analytics.invocations
)

select
    invocation_arn,
    status,
    submit_time
from invocations
where is_terminal and end_time is null
