-- One row per cohort and selection: nearest-rank percentiles of those that have ended, and the
-- Kaplan-Meier estimate that holds while others are open, as sql/staging/survivals.sql has it.
with

members as (
    select
        cohorts.cohort,
        selections.in_account as account,
        selections.in_region as region,
        selections.in_model as model,
        cohorts.latency_ms,
        cohorts.age_ms
    from report_cohorts as cohorts
    inner join report_selections as selections using (account, region, model)
    where cohorts.latency_ms is not null or cohorts.age_ms is not null
),

measured as (
    select
        cohort,
        account,
        region,
        model,
        count(latency_ms) as ended,
        count(age_ms) as still_open,
        list_sort(array_agg(latency_ms) filter (where latency_ms is not null)) as ascending
    from members
    group by all
),

ranked as (
    select
        * exclude (ascending),
        ascending[(50 * ended + 99) // 100] as p50_ms,
        ascending[(95 * ended + 99) // 100] as p95_ms,
        ascending[(99 * ended + 99) // 100] as p99_ms
    from measured
),

durations as (
    select
        cohort,
        account,
        region,
        model,
        ranked.ended + ranked.still_open as subjects,
        coalesce(members.latency_ms, members.age_ms) as duration_ms,
        count(members.latency_ms) as ended,
        count(*) as gone
    from members
    inner join ranked using (cohort, account, region, model)
    where ranked.still_open > 0
    group by all
),

risks as (
    select
        *,
        subjects - sum(gone) over (
            partition by cohort, account, region, model
            order by duration_ms
            rows unbounded preceding
        ) + gone as at_risk
    from durations
),

-- A product is the exponential of a sum of logarithms; that of 0 is far below any of the others.
curves as (
    select
        *,
        exp(
            sum(if(ended < at_risk, ln(1 - cast(ended as double) / at_risk), -1e3)) over (
                partition by cohort, account, region, model
                order by duration_ms
                rows unbounded preceding
            )
        ) as survival
    from risks
),

-- Rounding must not carry a curve past the very share that it reaches.
survivals as (
    select
        cohort,
        account,
        region,
        model,
        min(duration_ms) filter (where survival <= 0.5 + 1e-9) as p50_ms,
        min(duration_ms) filter (where survival <= 0.05 + 1e-9) as p95_ms,
        min(duration_ms) filter (where survival <= 0.01 + 1e-9) as p99_ms
    from curves
    group by all
)

select
    cohort,
    account,
    region,
    model,
    ranked.ended,
    ranked.still_open,
    ranked.p50_ms / 1000 as latency_p50,
    ranked.p95_ms / 1000 as latency_p95,
    ranked.p99_ms / 1000 as latency_p99,
    if(ranked.still_open = 0, ranked.p50_ms, survivals.p50_ms) / 1000 as survival_p50,
    if(ranked.still_open = 0, ranked.p95_ms, survivals.p95_ms) / 1000 as survival_p95,
    if(ranked.still_open = 0, ranked.p99_ms, survivals.p99_ms) / 1000 as survival_p99
from ranked
left join survivals using (cohort, account, region, model)
order by all
