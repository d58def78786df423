-- One row per invocation that left flight on another date (UTC) than that of its submission.
--
-- submitted_ms: when it was submitted, milliseconds since 1970
-- status: as listed
-- end_time: when it ended; null if it vanished
-- gone_ms: when it ended or vanished, milliseconds since 1970
-- is_ended: it ended; else it vanished
-- dated by: submit_date
with

gone as (
    select
        account_id,
        region,
        model_id,
        status,
        submit_date,
        case when not is_vanished then end_time end as end_time,
        epoch_us(submit_time) // 1000 as submitted_ms,
        case
            when is_vanished then epoch_us(greatest(submit_time, vanished_at)) // 1000
            else epoch_us(end_time) // 1000
        end as gone_ms,
        not is_vanished as is_ended
    from bedrock_analytics.invocations
    where not is_open
)

select *
from gone
-- Days since 0001-01-01: integer division rounds negative numbers towards 0.
where (submitted_ms + 62135596800000) // 86400000 <> (gone_ms + 62135596800000) // 86400000
