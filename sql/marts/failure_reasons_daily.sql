-- One row per account, region, model, date of submission (UTC) and failure category: why
-- invocations failed.
--
-- failure_fault: client, service or content; null for unknown and for a category of your own
-- failed: failed invocations of the category
-- share: of all failed invocations of the account, region, model and date
-- first_seen: submission of the first of them
-- last_seen: submission of the last of them
-- example_arn: ARN of one of them
-- dated by: submit_date
with

reasons as (
    select
        account_id,
        region,
        model_id,
        submit_date,
        failure_category,
        failure_fault,
        count(*) as failed,
        min(submit_time) as first_seen,
        max(submit_time) as last_seen,
        min(invocation_arn) as example_arn
    from bedrock_analytics.invocations
    where is_failed
    group by account_id, region, model_id, submit_date, failure_category, failure_fault
)

select
    account_id,
    region,
    model_id,
    submit_date,
    failure_category,
    failure_fault,
    failed,
    cast(failed as double) / sum(failed) over (
        partition by account_id, region, model_id, submit_date
    ) as share,
    first_seen,
    last_seen,
    example_arn
from reasons
