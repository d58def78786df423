-- One row per account, region, model and stretch of $hours hours: the most that ran at once, and
-- how many ran on average.
select
    account,
    region,
    model,
    epoch_ms(flights.hour) // 3_600_000 // $hours * $hours as hour,
    max(in_flight_peak) as peak,
    round(sum(in_flight_avg) / $hours, 3) as average
from keyed('bedrock_analytics.in_flight_hourly') as flights
where epoch_ms(flights.hour) >= getvariable('from_ms')
group by all
having peak > 0
order by all
