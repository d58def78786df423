-- An invocation that is Completed or Failed has an end_time.
--
-- severity: warning
-- dated by: submit_date
select
    invocation_arn,
    status,
    submit_time
from bedrock_analytics.invocations
where is_terminal and end_time is null
