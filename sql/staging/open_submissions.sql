-- One row per open or vanished invocation: what is known of it without its age.
--
-- dated by: submit_date
select
    invocation_arn,
    account_id,
    region,
    model_id,
    status,
    submit_time,
    submit_date,
    output_s3_uri,
    is_vanished,
    vanished_at
from bedrock_analytics.invocations
where is_open or is_vanished
