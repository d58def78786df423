-- One row per account, region, model and stretch of $hours hours: the most that ran at once, and
-- how many ran on average.
with

stretches as (
    select
        leaves.account,
        leaves.region,
        leaves.model,
        date_diff('hour', timestamptz '1970-01-01 00:00:00+00', flights.hour) // $hours as stretch,
        flights.hour,
        flights.in_flight_peak,
        flights.in_flight_avg
    from bedrock_analytics.in_flight_hourly as flights
    inner join report_leaves as leaves
        on flights.account_id is not distinct from leaves.account_id
        and flights.region is not distinct from leaves.region_name
        and flights.model_id is not distinct from leaves.model_id
    where flights.hour >= (
        select make_timestamp_ms(min(from_ms)) at time zone 'UTC'
        from report_periods
        where not is_previous
    )
)

select
    account,
    region,
    model,
    stretch * $hours as hour,
    max(in_flight_peak) as peak,
    round(sum(in_flight_avg) / $hours, 3) as average
from stretches
group by account, region, model, stretch
having max(in_flight_peak) > 0
order by all
