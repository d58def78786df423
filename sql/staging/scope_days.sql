-- One row per account, region and date of submission (UTC): how many invocations the copy has.
--
-- account_id: AWS account
-- region: AWS region
-- submit_date: date of submission, UTC
-- invocations: all that were submitted on the date
-- last_observed_at: when the newest of their rows was read
-- dated by: submit_date
select
    account_id,
    region,
    submit_date,
    count(*) as invocations,
    max(observed_at) as last_observed_at
from bedrock.async_invokes
group by account_id, region, submit_date
