-- One row per date (UTC) and invocation that was in flight on it and on another date, or is still
-- open: the part of the date in which it was in flight.
--
-- flight_date: the date, UTC
-- submit_date: date of its submission, UTC
-- status: as listed
-- submitted_ms: its submission, milliseconds since 1970
-- from_ms: its submission, or the start of the date if that is later, milliseconds since 1970
-- until_ms: when it ended or vanished, or its scope was read last, milliseconds since 1970; null if
--   that is on a later date
-- end_time: when it ended; null if that is on a later date, and for one that is open or vanished
-- is_submitted: it was submitted on the date
-- is_ended: it ended on the date
-- is_flown: false for one that is listed with an end before its submission
-- dated by: flight_date
-- reads back: all days
with

spans as (
    -- Its columns are those of the second part, in their order.
    select * from bedrock_analytics.overnight_invocations

    union all

    select
        account_id,
        region,
        model_id,
        status,
        submit_date,
        cast(null as timestamptz) as end_time,
        epoch_us(submit_time) // 1000 as submitted_ms,
        epoch_us(submit_time) // 1000 + age_ms as gone_ms,
        false as is_ended
    from bedrock_analytics.open_ages
    where not is_vanished and submit_time is not null
),

-- Days since 0001-01-01: integer division rounds negative numbers towards 0.
days as (
    select
        *,
        (submitted_ms + 62135596800000) // 86400000 as submit_day,
        (gone_ms + 62135596800000) // 86400000 as gone_day
    from spans
),

-- At most ten thousand days, or 27 years.
dated as (
    select
        *,
        unnest(
            range(
                least(submit_day, gone_day),
                1 + least(coalesce(gone_day, submit_day), submit_day + 9999)
            )
        ) as flight_day
    from days
)

select
    account_id,
    region,
    model_id,
    status,
    submit_date,
    cast(date '0001-01-01' + cast(flight_day as integer) as date) as flight_date,
    submitted_ms,
    greatest(submitted_ms, flight_day * 86400000 - 62135596800000) as from_ms,
    case when gone_day = flight_day then gone_ms end as until_ms,
    case when gone_day = flight_day then end_time end as end_time,
    submit_day = flight_day as is_submitted,
    gone_day = flight_day and is_ended as is_ended,
    gone_ms >= submitted_ms as is_flown
from dated
