-- One row per invocation: its listed values, and values derived from them.
--
-- invocation_arn: ARN of the invocation; no two rows have the same
-- account_id: AWS account that the invocation ran in
-- region: AWS region that the invocation ran in
-- invocation_id: last part of the invocation's ARN
-- model_arn: ARN of the model
-- model_id: last part of the model's ARN; the id of a provisioned model
-- model_provider: maker of the model; null where the ARN does not name it
-- client_request_token: the caller's idempotency token
-- status: InProgress, Completed, Failed, null, or what AWS adds
-- failure_message: why it failed, as listed
-- submit_time: when it was submitted
-- last_modified_time: when it last changed
-- end_time: when it ended; null while it is open, and where the listing leaves it out
-- submit_date: date of submission, UTC
-- output_s3_uri: where the output goes
-- output_kms_key_id: key that the output is encrypted with
-- output_bucket_owner: account that owns the bucket, where the caller named it
-- extra: JSON of response members that the table has no column for; null when none
-- observed_at: when this version of the row was read
-- _dlt_load_id: the load that wrote this version of the row
-- submit_hour: hour of submission, UTC
-- latency_seconds: end_time - submit_time to the millisecond; null unless terminal with an end_time
-- is_terminal: Completed or Failed
-- is_failed: Failed
-- is_open: listed as not ended: not terminal, and InProgress or without an end_time
-- is_vanished: was open when it was listed last, and is no longer listed
-- vanished_at: when it was missed in the listing; null unless it vanished
-- failure_category: why it failed, as a category; null unless Failed
-- failure_fault: client, service or content; null unless Failed, for unknown and for your own categories
-- output_bucket: bucket of output_s3_uri
-- dated by: submit_date
-- versioned by: invocation_arn, observed_at, vanished_at, failure_category
with

judged as (
    select
        *,
        coalesce(status in ('Completed', 'Failed'), false) as is_terminal,
        case
            when status in ('Completed', 'Failed') then false
            when status = 'InProgress' then true
            else end_time is null
        end as may_change
    from bedrock.async_invokes
)

select
    judged.invocation_arn,
    judged.account_id,
    judged.region,
    judged.invocation_id,
    judged.model_arn,
    judged.model_id,
    judged.model_provider,
    judged.client_request_token,
    judged.status,
    judged.failure_message,
    judged.submit_time,
    judged.last_modified_time,
    judged.end_time,
    judged.submit_date,
    judged.output_s3_uri,
    judged.output_kms_key_id,
    judged.output_bucket_owner,
    judged.extra,
    judged.observed_at,
    judged._dlt_load_id,
    -- Hours since 0001-01-01: integer division rounds negative numbers towards 0.
    cast('0001-01-01 00:00:00+00' as timestamptz)
    + (epoch_us(judged.submit_time) + 62135596800000000) // 3600000000 * interval '1' hour
        as submit_hour,
    case
        when judged.is_terminal
            then cast(
                epoch_us(judged.end_time) // 1000 - epoch_us(judged.submit_time) // 1000 as double
            ) / 1000
    end as latency_seconds,
    judged.is_terminal,
    judged.is_terminal and judged.status = 'Failed' as is_failed,
    judged.may_change and vanished_invocations.vanished_at is null as is_open,
    vanished_invocations.vanished_at is not null as is_vanished,
    vanished_invocations.vanished_at,
    case
        when judged.status = 'Failed'
            then coalesce(failure_categories.failure_category, 'unknown')
    end as failure_category,
    failure_categories.failure_fault,
    nullif(split_part(judged.output_s3_uri, '/', 3), '') as output_bucket
from judged
left join bedrock_analytics.failure_categories
    on judged.status = 'Failed'
    and judged.failure_message = failure_categories.failure_message
    and judged.submit_date is not distinct from failure_categories.submit_date
left join bedrock_analytics.vanished_invocations
    on judged.may_change
    and judged.invocation_arn = vanished_invocations.invocation_arn
