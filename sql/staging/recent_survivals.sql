-- One row per model and cohort of three kinds: how long its invocations take, in all scopes together.
--
-- The 30 days begin 720 hours before the newest successful run of any scope; its date is the last.
--
-- cohort: recent (submitted in the 30 days), recently ended (those of them that have ended), or
--   typical (Completed ones that ended in the 30 days, whenever they were submitted)
-- submit_date: the date on which the 30 days end, UTC
-- computed by: survivals
-- dated by: submit_date
-- reads back: 30 days
with

-- Of the whole dates, of the date on which the 30 days start, and of those before it what ended
-- later.
latencies as (
    select
        window_starts.end_date,
        buckets.model_id,
        buckets.status,
        true as is_submitted,
        true as is_ended,
        buckets.latencies_ms
    from bedrock_analytics.model_latency_buckets as buckets
    inner join bedrock_analytics.window_starts
        on buckets.submit_date > window_starts.since_date
        and buckets.submit_date <= window_starts.end_date

    union all

    select
        window_starts.end_date,
        edges.model_id,
        edges.status,
        edges.is_submitted,
        edges.is_ended,
        edges.latencies_ms
    from bedrock_analytics.window_edges as edges
    inner join bedrock_analytics.window_starts
        on edges.submit_date = window_starts.since_date
    where edges.latencies_ms is not null

    union all

    select
        window_starts.end_date,
        flights.model_id,
        flights.status,
        false as is_submitted,
        true as is_ended,
        array[flights.until_ms - flights.submitted_ms] as latencies_ms
    from bedrock_analytics.flights
    inner join bedrock_analytics.window_starts
        on flights.submit_date < window_starts.since_date
        and flights.flight_date <= window_starts.end_date
        and flights.end_time >= window_starts.since
    where flights.is_ended and flights.status in ('Completed', 'Failed')
),

subjects as (
    select
        case
            when status <> 'Completed' or not is_ended then array['recent', 'recently ended']
            when is_submitted then array['recent', 'recently ended', 'typical']
            else array['typical']
        end as cohorts,
        cast(null as varchar) as account_id,
        cast(null as varchar) as region,
        model_id,
        end_date as submit_date,
        latencies_ms,
        cast(null as bigint) as age_ms,
        false as is_open
    from latencies
    where is_submitted or (status = 'Completed' and is_ended)

    union all

    select
        array['recent'] as cohorts,
        cast(null as varchar) as account_id,
        cast(null as varchar) as region,
        ages.model_id,
        window_starts.end_date as submit_date,
        cast(null as bigint[]) as latencies_ms,
        ages.age_ms,
        ages.is_open
    from bedrock_analytics.unmeasured_ages as ages
    inner join bedrock_analytics.window_starts
        on ages.submit_date <= window_starts.end_date
        and ages.submit_time >= window_starts.since
)

select * from subjects
