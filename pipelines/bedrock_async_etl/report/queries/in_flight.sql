-- One row per leaf and bin: the most that ran at once, and for how many seconds all of them ran.
--
-- Stuck and vanished ones are left out: they would raise the peak for good. In the hours of their
-- submission the peak is the least that it can have been without them.
with

lasting as (
    select
        leaf,
        epoch(submit_time) as submitted,
        submitted + age_seconds as gone
    from keyed('bedrock_analytics.open_invocations')
    where is_stuck or is_vanished
),

-- The hour in which its scope was read is as long as had passed of it.
hours as (
    select
        flights.leaf,
        epoch(flights.hour) as hour,
        if(
            date_trunc('hour', scopes.as_of) = flights.hour, epoch(scopes.as_of - flights.hour), 3600
        ) as length,
        flights.in_flight_peak,
        flights.in_flight_avg
    from keyed('bedrock_analytics.in_flight_hourly') as flights
    inner join report_leaves as leaves using (leaf)
    left join bedrock_analytics.scopes as scopes
        on leaves.account_id is not distinct from scopes.account_id
        and leaves.region_name is not distinct from scopes.region
    where epoch_ms(flights.hour) + 3_600_000 > getvariable('from_ms')
),

others as (
    select
        hours.leaf,
        hours.hour,
        any_value(hours.in_flight_peak) - count(lasting.leaf) as peak,
        any_value(hours.in_flight_avg * hours.length) - coalesce(
            sum(
                least(hours.hour + hours.length, lasting.gone)
                - greatest(hours.hour, lasting.submitted)
            ) filter (where lasting.leaf is not null),
            0
        ) as seconds
    from hours
    left join lasting
        on hours.leaf = lasting.leaf
        and lasting.submitted < hours.hour + hours.length
        and lasting.gone > hours.hour
    group by hours.leaf, hours.hour
)

select
    others.leaf,
    0 as outcome,
    parts.timed as bin,
    0 as bucket,
    cast(greatest(0, max(others.peak)) as bigint) as peak,
    cast(round(greatest(0, sum(others.seconds))) as bigint) as seconds
from others
inner join report_parts as parts
    on 2 * (cast(others.hour as bigint) // 3600) + 1 = parts.hour_part
group by all
having peak > 0
