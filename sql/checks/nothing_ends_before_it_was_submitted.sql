-- No end_time is before its submit_time.
--
-- severity: warning
-- dated by: submit_date
select
    invocation_arn,
    submit_time,
    end_time
from bedrock_analytics.invocations
where end_time < submit_time
