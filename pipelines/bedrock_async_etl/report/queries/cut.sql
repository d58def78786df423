-- One row per invocation of the dates on which a period begins, by keys.
--
-- since_ms: the last instant before its submission at which a period begins
-- gone_ms: when it ended; null if it is open or vanished
with stored as (
    select
        *,
        epoch_ms(submit_time) as submitted_ms
    from keyed('bedrock_analytics.invocations')
    where submit_date in (select unnest(getvariable('cut_dates')))
)

select
    stored.account,
    stored.region,
    stored.model,
    stored.model_id,
    periods.from_ms as since_ms,
    stored.submitted_ms,
    if(stored.is_open or stored.is_vanished, null, epoch_ms(stored.end_time)) as gone_ms,
    stored.status,
    stored.failure_category,
    stored.failure_fault,
    cast(round(stored.latency_seconds * 1000) as bigint) as latency_ms
from stored
asof join report_periods as periods
    on stored.submitted_ms >= periods.from_ms
