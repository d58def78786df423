-- No end_time is before its submit_time.
with

invocations as (
    select * from bedrock_analytics.invocations
)

select
    invocation_arn,
    submit_time,
    end_time
from invocations
where end_time < submit_time
