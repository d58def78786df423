-- One row per account, region, model and hour (UTC), from its first submission to the last hour in
-- which one was in flight or ended: how many ran at the same time. Hours in which nothing happened
-- have a row, too.
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
with

lifetimes as (
    select * from bedrock_analytics.lifetimes
    where submitted_ms is not null
),

flights as (
    select
        account_id,
        region,
        model_id,
        submitted_ms,
        gone_ms,
        is_open,
        coalesce(gone_ms >= submitted_ms, is_open) as is_flown,
        greatest(submitted_ms, coalesce(gone_ms, submitted_ms + age_ms - 1, 0)) as last_ms
    from lifetimes
),

spans as (
    select
        account_id,
        region,
        model_id,
        cast(floor(min(submitted_ms) / 3.6e6) as bigint) as first_hour,
        cast(floor(max(last_ms) / 3.6e6) as bigint) as last_hour
    from flights
    group by account_id, region, model_id
),

events as (
    select
        account_id,
        region,
        model_id,
        submitted_ms as instant_ms,
        case when is_flown then 1 else 0 end as step,
        1 as submitted,
        0 as ended
    from flights

    union all

    select
        account_id,
        region,
        model_id,
        gone_ms as instant_ms,
        case when is_flown then -1 else 0 end as step,
        0 as submitted,
        case when is_open then 0 else 1 end as ended
    from flights
    where gone_ms is not null

    union all

    select
        spans.account_id,
        spans.region,
        spans.model_id,
        hours.hour_number * 3600000 as instant_ms,
        0 as step,
        0 as submitted,
        0 as ended
    from spans
    inner join bedrock_analytics.hours
        on hours.hour_number between spans.first_hour and spans.last_hour
),

placed as (
    select
        *,
        cast(floor(instant_ms / 3.6e6) as bigint) as hour_number
    from events
),

-- The level within an hour is relative to that at its start; steps at the same instant are one.
levels as (
    select
        *,
        instant_ms - hour_number * 3600000 as ms_into_hour,
        sum(step) over (
            partition by account_id, region, model_id, hour_number
            order by instant_ms
            range between unbounded preceding and current row
        ) as level
    from placed
),

hourly as (
    select
        account_id,
        region,
        model_id,
        hour_number,
        cast(sum(submitted) as bigint) as submitted,
        cast(sum(ended) as bigint) as ended,
        sum(step) as step,
        max(level) as peak,
        sum(step * ms_into_hour) as step_ms,
        max(ms_into_hour) as last_ms
    from levels
    group by account_id, region, model_id, hour_number
),

carried as (
    select
        *,
        coalesce(
            sum(step) over (
                partition by account_id, region, model_id
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
        hours.hour,
        greatest(
            1,
            carried.last_ms,
            least(
                3600000,
                coalesce(date_diff('millisecond', hours.hour, scopes.as_of), 3600000)
            )
        ) as length_ms
    from carried
    inner join bedrock_analytics.hours
        on carried.hour_number = hours.hour_number
    left join bedrock_analytics.scopes
        on carried.account_id is not distinct from scopes.account_id
        and carried.region is not distinct from scopes.region
)

select
    account_id,
    region,
    model_id,
    hour,
    submitted,
    ended,
    cast(level_at_start + peak as bigint) as in_flight_peak,
    level_at_start + step - cast(step_ms as double) / length_ms as in_flight_avg
from observed
order by account_id, region, model_id, hour
