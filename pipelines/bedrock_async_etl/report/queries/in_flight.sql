-- One row per account, region, model and stretch of $hours hours: the most that ran at once, and
-- how many ran on average.
with

stretches as (
    select
        account,
        region,
        model,
        date_diff('hour', timestamptz '1970-01-01 00:00:00+00', hour) // $hours as stretch,
        hour,
        in_flight_peak,
        in_flight_avg
    from keyed('bedrock_analytics.in_flight_hourly')
    where hour >= (
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
