-- One row per open or vanished invocation: how long it has run.
--
-- age_ms: from its submission to its scope's last successful run, or until it vanished, milliseconds
-- dated by: submit_date
select
    open_submissions.invocation_arn,
    open_submissions.account_id,
    open_submissions.region,
    open_submissions.model_id,
    open_submissions.status,
    open_submissions.submit_time,
    open_submissions.submit_date,
    open_submissions.output_s3_uri,
    open_submissions.is_vanished,
    epoch_us(
        greatest(open_submissions.submit_time, least(scopes.as_of, open_submissions.vanished_at))
    ) // 1000 - epoch_us(open_submissions.submit_time) // 1000 as age_ms
from bedrock_analytics.open_submissions
left join bedrock_analytics.scopes
    on open_submissions.account_id is not distinct from scopes.account_id
    and open_submissions.region is not distinct from scopes.region
