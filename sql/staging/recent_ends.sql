-- One row per model of which an invocation ended in the last 30 days, in any scope: when the newest
-- did.
--
-- The 30 days begin 720 hours before the newest successful run of any scope; its date is the last.
--
-- end_date: the date on which the 30 days end, UTC
-- last_end_hour: start of the hour in which the newest ended
-- dated by: end_date
-- reads back: 30 days
select
    flights.model_id,
    window_starts.end_date,
    max(flights.hour) as last_end_hour
from bedrock_analytics.in_flight_hourly as flights
inner join bedrock_analytics.window_starts
    on flights.hour >= window_starts.since
    and cast(flights.hour at time zone 'UTC' as date) <= window_starts.end_date
where flights.ended > 0
group by flights.model_id, window_starts.end_date
