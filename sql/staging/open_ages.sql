-- One row per open invocation: how long it has run.
--
-- age_ms: from its submission to its scope's last successful run, or until it vanished, milliseconds
with

invocations as (
    select * from bedrock_analytics.invocations
    where is_open
)

select
    invocations.invocation_arn,
    invocations.account_id,
    invocations.region,
    invocations.model_id,
    invocations.submit_time,
    invocations.submit_date,
    invocations.is_vanished,
    epoch_us(
        greatest(invocations.submit_time, least(scopes.as_of, invocations.vanished_at))
    ) // 1000 - epoch_us(invocations.submit_time) // 1000 as age_ms
from invocations
left join bedrock_analytics.scopes
    on invocations.account_id is not distinct from scopes.account_id
    and invocations.region is not distinct from scopes.region
