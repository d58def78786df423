-- One row per invocation: its newest version in the change log.
--
-- Of two versions that were read at the same moment, the one that was loaded last counts.
with

versions as (
    select * from bedrock_log.async_invokes
)

select
    invocation_arn,
    account_id,
    region,
    invocation_id,
    model_arn,
    model_id,
    model_provider,
    client_request_token,
    status,
    failure_message,
    submit_time,
    last_modified_time,
    end_time,
    submit_date,
    output_s3_uri,
    output_kms_key_id,
    output_bucket_owner,
    extra,
    observed_at,
    _dlt_load_id
from versions
qualify
    row_number() over (
        partition by invocation_arn
        order by observed_at desc, _dlt_load_id desc
    ) = 1
