-- One row per model: what became of the invocations of the last 30 days, in all scopes together.
--
-- The 30 days begin 720 hours before the newest successful run of any scope; its date is the last.
--
-- cohort: recent model
-- submit_date: the date on which the 30 days end, UTC
-- is_settled: none is open, and all scopes were read past the end of the 30 days
-- computed by: failure_rates
-- dated by: submit_date
-- reads back: 30 days
with

edges as (
    select
        edges.*,
        window_starts.end_date
    from bedrock_analytics.window_edges as edges
    inner join bedrock_analytics.window_starts
        on edges.submit_date = window_starts.since_date
    where edges.is_submitted
),

counts as (
    select
        window_starts.end_date,
        rates.model_id,
        rates.submit_hour,
        rates.invocations,
        rates.completed,
        rates.failed,
        rates.in_progress,
        rates.is_settled
    from bedrock_analytics.failure_rates as rates
    inner join bedrock_analytics.window_starts
        on rates.submit_date > window_starts.since_date
        and rates.submit_date <= window_starts.end_date
    where rates.cohort = 'hour'

    union all

    select
        end_date,
        model_id,
        submit_hour,
        invocations,
        case when status = 'Completed' then invocations else 0 end as completed,
        case when status = 'Failed' then invocations else 0 end as failed,
        case when is_open and status = 'InProgress' then invocations else 0 end as in_progress,
        not is_open as is_settled
    from edges
),

ended_buckets as (
    select
        window_starts.end_date,
        buckets.model_id,
        buckets.status,
        buckets.bucket,
        buckets.latencies_ms
    from bedrock_analytics.model_latency_buckets as buckets
    inner join bedrock_analytics.window_starts
        on buckets.submit_date > window_starts.since_date
        and buckets.submit_date <= window_starts.end_date
    where buckets.status in ('Completed', 'Failed')

    union all

    select
        end_date,
        model_id,
        status,
        bucket,
        latencies_ms
    from edges
    where status in ('Completed', 'Failed') and latencies_ms is not null
),

longest as (
    select
        model_id,
        max(latencies_ms[cast(array_length(latencies_ms) as bigint)]) as longest_ms
    from ended_buckets
    group by model_id
),

-- One row per cohort and hour of submission.
hours as (
    select
        'recent model' as cohort,
        cast(null as varchar) as account_id,
        cast(null as varchar) as region,
        counts.model_id,
        cast(null as timestamptz) as submit_hour,
        counts.end_date as submit_date,
        cast(sum(counts.invocations) as bigint) as invocations,
        cast(sum(counts.completed) as bigint) as completed,
        cast(sum(counts.failed) as bigint) as failed,
        cast(sum(counts.in_progress) as bigint) as in_progress,
        count(*) filter (where not counts.is_settled) = 0 as is_settled,
        max(longest.longest_ms) as longest_ms
    from counts
    left join longest
        on counts.model_id is not distinct from longest.model_id
    group by counts.end_date, counts.model_id, counts.submit_hour
),

-- One row per cohort and open invocation.
ages as (
    select
        'recent model' as cohort,
        cast(null as varchar) as account_id,
        cast(null as varchar) as region,
        open_ages.model_id,
        cast(null as timestamptz) as submit_hour,
        window_starts.end_date as submit_date,
        open_ages.age_ms
    from bedrock_analytics.open_ages
    inner join bedrock_analytics.window_starts
        on open_ages.submit_date >= window_starts.since_date
        and open_ages.submit_date <= window_starts.end_date
        and open_ages.submit_time >= window_starts.since
    where open_ages.age_ms is not null and not open_ages.is_vanished
),

age_buckets as (
    select distinct
        model_id,
        cast(floor(100 * ln(1 + age_ms)) as bigint) as bucket
    from ages
),

found as (
    select
        ended_buckets.*,
        age_buckets.bucket is not null as has_age
    from ended_buckets
    left join age_buckets
        on ended_buckets.model_id is not distinct from age_buckets.model_id
        and ended_buckets.bucket = age_buckets.bucket
),

bucketed as (
    select
        end_date,
        model_id,
        status,
        unnest(
            case when has_age then latencies_ms else array[latencies_ms[1]] end
        ) as latency_ms,
        case when has_age then 1 else array_length(latencies_ms) end as ended
    from found
),

-- One row per cohort and latency, or latencies between which is no age.
latencies as (
    select
        'recent model' as cohort,
        cast(null as varchar) as account_id,
        cast(null as varchar) as region,
        model_id,
        cast(null as timestamptz) as submit_hour,
        end_date as submit_date,
        greatest(0, latency_ms) as latency_ms,
        ended,
        case when status = 'Failed' then ended else 0 end as failed
    from bucketed
)

select * from latencies
