-- One row per scope (account and region) that was ever read or has rows: the state its runs left.
-- Runs of a range alone (`--since`, `--until`) are left aside.
--
-- account_id: AWS account
-- region: AWS region
-- last_success_at: end of the newest run that read the scope whole; null if none did
-- submitted_through: all that was submitted up to then has been read
-- settled_through: no more is listed of what was submitted up to then: the start of the newest run
--   that read the scope whole, less the lag (5 minutes, where an older version made the run)
-- last_outcome: ok or failed, of the newest run
-- last_error: class and message of the newest run's failure; null if it was good
-- last_observed_at: when the newest row was read
-- as_of: last_success_at, or else when the newest row was read: open invocations were open then
with

runs as (
    select
        account_id,
        region,
        finished_at,
        outcome,
        error,
        submitted_through,
        coalesce(
            settled_through, coalesce(started_at, finished_at) - interval '5' minute
        ) as settled_through,
        row_number() over (
            partition by account_id, region
            order by finished_at desc, _dlt_load_id desc, run_id desc
        ) as recency,
    from bedrock.extract_runs
    -- A range says nothing of the rest, and a row without an account is an older version's.
    where not coalesce(is_range, false) and account_id is distinct from 'unknown'
),

run_scopes as (
    select
        account_id,
        region,
        max(case when outcome = 'ok' then finished_at end) as last_success_at,
        max(submitted_through) as submitted_through,
        max(case when outcome = 'ok' then settled_through end) as settled_through,
        max(case when recency = 1 then outcome end) as last_outcome,
        max(case when recency = 1 then error end) as last_error,
    from runs
    group by account_id, region
),

row_scopes as (
    select
        account_id,
        region,
        max(last_observed_at) as last_observed_at,
    from bedrock_analytics.scope_days
    group by account_id, region
)

select
    coalesce(run_scopes.account_id, row_scopes.account_id) as account_id,
    coalesce(run_scopes.region, row_scopes.region) as region,
    run_scopes.last_success_at,
    run_scopes.submitted_through,
    run_scopes.settled_through,
    run_scopes.last_outcome,
    run_scopes.last_error,
    row_scopes.last_observed_at,
    coalesce(run_scopes.last_success_at, row_scopes.last_observed_at) as as_of
from run_scopes
full outer join row_scopes
    on run_scopes.account_id is not distinct from row_scopes.account_id
    and run_scopes.region is not distinct from row_scopes.region
