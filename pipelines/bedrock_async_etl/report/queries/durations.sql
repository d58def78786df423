-- One row per leaf, outcome, bin and bucket: how many latencies of that length, or ages of those
-- without one.
--
-- Buckets are those of bucket_of, and end at each age, too: what has ended by then is before what was
-- still running, as the estimates have to know.
with

measured as (
    select
        leaf,
        coalesce(outcomes.outcome, 0) as outcome,
        submit_time,
        latency_ms(latency_seconds) as duration_ms
    from keyed('bedrock_analytics.invocations')
    left join report_outcomes as outcomes
        on outcomes.outcome > 2
        and failure_category = outcomes.name
    where
        latency_seconds is not null
        and submit_date >= cast(epoch_ms(getvariable('before_ms')) as date)

    union all

    select
        leaf,
        if(is_open, 1, 2) as outcome,
        submit_time,
        greatest(0, age_ms) as duration_ms
    from keyed('bedrock_analytics.unmeasured_ages')
    where submit_date >= cast(epoch_ms(getvariable('before_ms')) as date)
),

counted as (
    select
        measured.leaf,
        measured.outcome,
        parts.timed as bin,
        bucket_of(measured.duration_ms) as bucket,
        places.shorter,
        count(*) as invocations
    from measured
    inner join report_parts as parts
        on hour_part(measured.submit_time) = parts.hour_part
    left join report_places as places
        on measured.duration_ms = places.duration_ms
    group by all
),

-- Of buckets in which no age is, all have as many shorter ages.
buckets as (
    select
        numbers.bucket,
        count(report_ages.bucket) as shorter
    from (
        select distinct bucket
        from counted
        where shorter is null
    ) as numbers
    left join report_ages on numbers.bucket > report_ages.bucket
    group by numbers.bucket
)

select
    counted.leaf,
    counted.outcome,
    counted.bin,
    counted.bucket + coalesce(counted.shorter, buckets.shorter) as bucket,
    cast(sum(counted.invocations) as bigint) as invocations
from counted
left join buckets on counted.bucket = buckets.bucket
group by all
