-- One row per leaf and bin: the most that ran at once, and how long they ran.
--
-- tenths: tenths of an hour that they ran for, all together
--
-- Stuck and vanished ones are not counted from the hour after their submission on: they would raise
-- the peak for good.
with

lasting as (
    select
        leaf,
        date_trunc('hour', submit_time) as submit_hour,
        if(is_vanished, submit_time + to_seconds(age_seconds), null) as gone_at
    from keyed('bedrock_analytics.open_invocations')
    where is_stuck or is_vanished
),

hours as (
    select
        flights.leaf,
        flights.hour,
        flights.in_flight_peak,
        flights.in_flight_avg,
        count(lasting.leaf) as lasting
    from keyed('bedrock_analytics.in_flight_hourly') as flights
    left join lasting
        on flights.leaf = lasting.leaf
        and flights.hour > lasting.submit_hour
        and coalesce(flights.hour + interval 1 hour <= lasting.gone_at, true)
    group by all
)

select
    hours.leaf,
    0 as outcome,
    parts.timed as bin,
    0 as bucket,
    max(hours.in_flight_peak - hours.lasting) as peak,
    cast(round(10 * sum(hours.in_flight_avg - hours.lasting)) as bigint) as tenths
from hours
inner join report_parts as parts
    on 2 * (epoch_ms(hours.hour) // 3_600_000) + 1 = parts.hour_part
where epoch_ms(hours.hour) + 3_600_000 > getvariable('from_ms')
group by all
having peak > 0
