-- One row per model, status, fault, hour and bucket of latencies on the date on which the last 30
-- days start: the invocations that were submitted or that ended within them.
--
-- is_submitted: they were submitted within them
-- is_ended: they ended within them
-- bucket: as in latency_buckets; 0, too, for those without a latency
-- invocations: how many they are
-- latencies_ms: their latencies in ascending order, milliseconds; null without
-- dated by: submit_date
with

edge as (
    select
        invocations.model_id,
        invocations.status,
        invocations.failure_fault,
        invocations.is_open,
        invocations.submit_hour,
        invocations.submit_date,
        invocations.submit_time >= window_starts.since as is_submitted,
        coalesce(invocations.end_time >= window_starts.since, false) as is_ended,
        cast(round(invocations.latency_seconds * 1000) as bigint) as latency_ms
    from bedrock_analytics.invocations
    inner join bedrock_analytics.window_starts
        on invocations.submit_date = window_starts.since_date
    where
        invocations.submit_time >= window_starts.since
        or invocations.end_time >= window_starts.since
),

placed as (
    select
        *,
        cast(floor(100 * ln(1 + greatest(0, latency_ms))) as bigint) as bucket
    from edge
)

select
    model_id,
    status,
    failure_fault,
    is_open,
    submit_hour,
    submit_date,
    is_submitted,
    is_ended,
    bucket,
    count(*) as invocations,
    -- Spark has an empty array where nothing passes the filter.
    case
        when count(latency_ms) > 0
            then list_sort(array_agg(latency_ms) filter (where latency_ms is not null))
    end as latencies_ms
from placed
group by all
