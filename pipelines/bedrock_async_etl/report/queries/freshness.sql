-- One row per scope, those that failed and those that wait longest first.
--
-- healed, late: rows that the scrub healed in the week before the newest run, and those of them that
-- had been listed later than the lag; late_seconds: the longest time from a submission until then
with scrubs as (
    select
        account_id,
        region,
        cast(sum(rows_healed) as bigint) as healed,
        cast(sum(rows_late) as bigint) as late,
        max(late_seconds) as late_seconds
    from bedrock.extract_runs
    where finished_at >= (select max(finished_at) from bedrock.extract_runs) - interval 7 days
    group by account_id, region
)

select
    account_id,
    region,
    epoch_ms(last_success_at) as last_success_ms,
    epoch_ms(submitted_through) as submitted_through_ms,
    last_outcome,
    last_error,
    coalesce(healed, 0) as healed,
    coalesce(late, 0) as late,
    late_seconds
from bedrock_analytics.load_freshness
left join scrubs using (account_id, region)
order by last_outcome = 'ok', last_success_at nulls first, account_id, region
