-- One row per invocation that vanished from the listing and has not been listed since.
--
-- invocation_arn: ARN of the invocation
-- submit_date: date of submission, UTC
-- vanished_at: when it was missed
-- dated by: submit_date
select
    listed.invocation_arn,
    listed.submit_date,
    vanished_invokes.vanished_at
from bedrock.async_invokes as listed
inner join bedrock.vanished_invokes
    on listed.invocation_arn = vanished_invokes.invocation_arn
    and (
        listed.observed_at < vanished_invokes.vanished_at
        or (
            listed.observed_at = vanished_invokes.vanished_at
            and listed._dlt_load_id <= vanished_invokes._dlt_load_id
        )
    )
-- Only open ones are looked for, so that few rows are compared.
where coalesce(listed.status not in ('Completed', 'Failed'), true)
