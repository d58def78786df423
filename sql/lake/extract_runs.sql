-- One row per run, account and region: what the run says of itself, as it said last.
with

reports as (
    select * from bedrock_log.extract_runs
)

select
    run_id,
    account_id,
    region,
    started_at,
    finished_at,
    outcome,
    error,
    calls,
    throttled,
    pages,
    rows_read,
    rows_new,
    rows_changed,
    open_invocations,
    vanished,
    submitted_through,
    quarantined,
    quarantine_reason,
    version,
    _dlt_load_id
from reports
qualify
    row_number() over (
        partition by run_id, account_id, region
        order by finished_at desc, _dlt_load_id desc
    ) = 1
