-- One row per account, region, model and hour (UTC) in which an invocation was submitted, ended or
-- in flight: how many ran at the same time. An hour without a row had none.
--
-- An invocation is in flight from its submission until just before its end; an open one until its
-- scope's last successful run, or until it vanished from the listing. A terminal one that is listed
-- without its end counts as submitted and is never in flight.
--
-- hour: start of the hour
-- submitted: invocations submitted in the hour
-- ended: invocations that ended in the hour
-- in_flight_peak: the most that were in flight at once
-- in_flight_avg: time-weighted average of those in flight; for the newest hour, over the part that
--   had passed when its scope was read
-- dated by: hour
with

-- Milliseconds since 0001-01-01: integer division rounds negative numbers towards 0.
timed as (
    select
        account_id,
        region,
        model_id,
        is_vanished,
        (epoch_us(submit_time) + 62135596800000000) // 1000 as submitted_ms,
        (
            epoch_us(
                case when is_vanished then greatest(submit_time, vanished_at) else end_time end
            )
            + 62135596800000000
        ) // 1000 as gone_ms
    from bedrock_analytics.invocations
    where submit_time is not null and not is_open
),

-- Those that were gone on the date of their submission; the others are in flights.
spans as (
    select
        account_id,
        region,
        model_id,
        submitted_ms as from_ms,
        case when gone_ms // 86400000 = submitted_ms // 86400000 then gone_ms end as until_ms,
        1 as submitted,
        case when is_vanished then 0 else 1 end as ended,
        case when gone_ms >= submitted_ms then 1e0 else 0e0 end as step
    from timed
    where coalesce(gone_ms // 86400000 <= submitted_ms // 86400000, true)

    union all

    select
        account_id,
        region,
        model_id,
        from_ms + 62135596800000 as from_ms,
        until_ms + 62135596800000 as until_ms,
        case when is_submitted then 1 else 0 end as submitted,
        case when is_ended then 1 else 0 end as ended,
        case when is_flown then 1e0 else 0e0 end as step
    from bedrock_analytics.flights
),

-- Numbers are compared faster than names.
cohorts as (
    select
        *,
        cast(row_number() over (order by account_id, region, model_id) as bigint) as cohort
    from (select distinct account_id, region, model_id from spans) as names
),

placed as (
    select
        cohorts.cohort,
        spans.from_ms,
        spans.until_ms,
        spans.submitted,
        spans.ended,
        spans.step
    from spans
    inner join cohorts
        on spans.account_id is not distinct from cohorts.account_id
        and spans.region is not distinct from cohorts.region
        and spans.model_id is not distinct from cohorts.model_id
),

events as (
    select
        cohort,
        from_ms as instant_ms,
        step,
        submitted,
        0 as ended
    from placed

    union all

    select
        cohort,
        until_ms as instant_ms,
        -step as step,
        0 as submitted,
        ended
    from placed
    where until_ms is not null
),

days as (
    select distinct
        cohort,
        instant_ms // 86400000 as day
    from events
),

hours as (
    select unnest(range(0, 24)) as hour_of_day
),

-- Each hour begins with a step of 0, so that it is there even if nothing happens in it.
steps as (
    select
        cohort * 100000000 + instant_ms // 3600000 as cohort_hour,
        cast(instant_ms % 3600000 as integer) as ms_into_hour,
        step,
        submitted,
        ended
    from events

    union all

    select
        days.cohort * 100000000 + days.day * 24 + hours.hour_of_day as cohort_hour,
        0 as ms_into_hour,
        0e0 as step,
        0 as submitted,
        0 as ended
    from days
    cross join hours
),

-- The level within an hour is relative to that at its start; steps at the same instant are one.
levels as (
    select
        *,
        sum(step) over (
            partition by cohort_hour
            order by ms_into_hour
            range between unbounded preceding and current row
        ) as level
    from steps
),

hourly as (
    select
        cohort_hour // 100000000 as cohort,
        cohort_hour % 100000000 as hour_number,
        cast(sum(submitted) as bigint) as submitted,
        cast(sum(ended) as bigint) as ended,
        sum(step) as step,
        max(level) as peak,
        sum(step * ms_into_hour) as step_ms,
        max(ms_into_hour) as last_ms
    from levels
    group by cohort_hour
),

carried as (
    select
        *,
        coalesce(
            sum(step) over (
                partition by cohort, hour_number // 24
                order by hour_number
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as level_at_start
    from hourly
),

observed as (
    select
        carried.*,
        cohorts.account_id,
        cohorts.region,
        cohorts.model_id,
        greatest(
            1,
            carried.last_ms,
            least(
                3600000, coalesce(last_reads.read_ms - carried.hour_number * 3600000, 3600000)
            )
        ) as length_ms
    from carried
    inner join cohorts
        on carried.cohort = cohorts.cohort
    left join bedrock_analytics.last_reads
        on cohorts.account_id is not distinct from last_reads.account_id
        and cohorts.region is not distinct from last_reads.region
        and carried.hour_number // 24 = last_reads.read_ms // 86400000
    where
        carried.submitted > 0
        or carried.ended > 0
        or carried.level_at_start + carried.peak > 0
)

select
    observed.account_id,
    observed.region,
    observed.model_id,
    cast('0001-01-01 00:00:00+00' as timestamptz)
        + observed.hour_number * interval '1' hour as hour,
    observed.submitted,
    observed.ended,
    cast(observed.level_at_start + observed.peak as bigint) as in_flight_peak,
    observed.level_at_start + observed.step - observed.step_ms / observed.length_ms
        as in_flight_avg
from observed
