-- One row per cohort of two kinds: the Kaplan-Meier estimate of the latencies that its invocations
-- will have had once all of them have ended.
--
-- The share S(t) that runs longer than t is the product, over the durations d that occurred up to
-- t, of 1 - (ended after d) / (ran for d or longer). Open invocations are right-censored: they
-- count as running for their age, and not at all after it.
--
-- cohort: date (of submission, per account, region and model, if any is open), or recent model
--   (all scopes, the last 30 days); columns that a cohort does not have are null
-- ended: terminal invocations with an end_time
-- still_open: open invocations
-- p50: 50 % have ended within so many seconds; null where the estimate does not reach it
-- p90: 90 % have ended within so many seconds; null where the estimate does not reach it
-- p95: 95 % have ended within so many seconds; null where the estimate does not reach it
-- p99: 99 % have ended within so many seconds; null where the estimate does not reach it
-- longest: the longest that one has taken, or has been open for, seconds
with

lifetimes as (
    select * from bedrock_analytics.lifetimes
),

unsettled as (
    select distinct
        account_id,
        region,
        model_id,
        submit_date
    from lifetimes
    where age_ms is not null
),

subjects as (
    select
        'date' as cohort,
        lifetimes.account_id,
        lifetimes.region,
        lifetimes.model_id,
        lifetimes.submit_date,
        lifetimes.latency_ms,
        lifetimes.age_ms
    from lifetimes
    inner join unsettled
        on lifetimes.account_id is not distinct from unsettled.account_id
        and lifetimes.region is not distinct from unsettled.region
        and lifetimes.model_id is not distinct from unsettled.model_id
        and lifetimes.submit_date is not distinct from unsettled.submit_date

    union all

    select
        'recent model' as cohort,
        cast(null as varchar) as account_id,
        cast(null as varchar) as region,
        model_id,
        cast(null as date) as submit_date,
        latency_ms,
        age_ms
    from lifetimes
    where is_recent
),

durations as (
    select
        cohort,
        account_id,
        region,
        model_id,
        submit_date,
        coalesce(latency_ms, age_ms) as duration_ms,
        count(latency_ms) as ended,
        count(age_ms) as still_open
    from subjects
    where coalesce(latency_ms, age_ms) is not null
    group by cohort, account_id, region, model_id, submit_date, coalesce(latency_ms, age_ms)
),

risks as (
    select
        *,
        sum(ended + still_open) over (
            partition by cohort, account_id, region, model_id, submit_date
            order by duration_ms desc
            rows between unbounded preceding and current row
        ) as at_risk
    from durations
),

-- A product is the exponential of a sum of logarithms; that of 0 is far below any of the others.
curves as (
    select
        *,
        exp(
            sum(
                case
                    when ended < at_risk then ln(1 - cast(ended as double) / at_risk)
                    else -1e3
                end
            ) over (
                partition by cohort, account_id, region, model_id, submit_date
                order by duration_ms
                rows between unbounded preceding and current row
            )
        ) as survival
    from risks
),

-- Rounding must not carry a curve past the very share that it reaches.
percentiles as (
    select
        cohort,
        account_id,
        region,
        model_id,
        submit_date,
        cast(sum(ended) as bigint) as ended,
        cast(sum(still_open) as bigint) as still_open,
        min(duration_ms) filter (where survival <= 0.5 + 1e-9) as p50_ms,
        min(duration_ms) filter (where survival <= 0.1 + 1e-9) as p90_ms,
        min(duration_ms) filter (where survival <= 0.05 + 1e-9) as p95_ms,
        min(duration_ms) filter (where survival <= 0.01 + 1e-9) as p99_ms,
        max(duration_ms) as longest_ms
    from curves
    group by cohort, account_id, region, model_id, submit_date
)

select
    cohort,
    account_id,
    region,
    model_id,
    submit_date,
    ended,
    still_open,
    cast(p50_ms as double) / 1000 as p50,
    cast(p90_ms as double) / 1000 as p90,
    cast(p95_ms as double) / 1000 as p95,
    cast(p99_ms as double) / 1000 as p99,
    cast(longest_ms as double) / 1000 as longest
from percentiles
