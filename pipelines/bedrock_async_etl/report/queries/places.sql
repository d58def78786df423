-- One row per duration of the buckets in which an age is: how many ages are shorter.
with latencies as (
    select distinct latency_ms(latency_seconds) as duration_ms
    from bedrock_analytics.invocations
    where
        latency_seconds is not null
        and submit_date >= cast(epoch_ms(getvariable('before_ms')) as date)
),

ordered as (
    select
        latencies.duration_ms,
        false as is_age
    from latencies
    semi join report_ages on bucket_of(latencies.duration_ms) = report_ages.bucket

    union all

    select
        age_ms as duration_ms,
        true as is_age
    from report_ages
)

select
    duration_ms,
    count(*) filter (where is_age) over (
        order by duration_ms, is_age
        rows between unbounded preceding and 1 preceding
    ) as shorter
from ordered
qualify row_number() over (partition by duration_ms order by is_age) = 1
