-- One row per model of which an invocation was submitted in the last 60 days: whether the last 30
-- differ from the 30 before, beyond chance, in all scopes together.
--
-- The 30 days begin 720 hours before the newest successful run of any scope. Those before end there,
-- and begin with the date of 720 hours earlier.
--
-- Two tests compare the two periods: the pooled test of two proportions, failed among terminal
-- invocations; and the log-rank test (Mantel, 1966) of the latencies of Completed ones in the buckets
-- of latency_buckets, with those of unmeasured_ages right-censored.
--
-- Each test is the sum of a score over all invocations, and so over dates of submission. What happens
-- on a date often has one cause. So the variance of the sum is that between the dates, but at least
-- that of independent invocations. Few dates show little of it, so it counts for more there: by a
-- factor that keeps chance at 5 % in simulations. Of a period of one date, it is not known, and is 0.
--
-- end_date: the date on which the 30 days end, UTC
-- completed_before: those of the 30 days before that are Completed
-- failed_before: those of the 30 days before that are Failed
-- failure_z_score: failures, in standard deviations: above 0 if more fail than before; null where
--   none or all fail, or only one period has terminal invocations
-- latency_z_score: latency, in standard deviations: above 0 if they take longer than before; null
--   where all take equally long, or only one period has any
-- change: unknown where one of the periods has fewer than 30 terminal invocations, or all of them on
--   one date; else worse if one of the two z-scores is above 2.24, which chance exceeds on either side
--   2.5 times in 100; else better if one is below -2.24; else same. A z-score does not count where
--   one period has all of its invocations on one date
-- dated by: end_date
-- reads back: 60 days
with

-- On the date on which the 30 days start: what was submitted within them counts there, not before.
edges as (
    select
        edges.model_id,
        edges.submit_date,
        edges.bucket,
        sides.recent,
        case when edges.status = 'Completed' then sides.sign * edges.invocations else 0 end
            as completed,
        case when edges.status = 'Failed' then sides.sign * edges.invocations else 0 end as failed
    from bedrock_analytics.window_edges as edges
    inner join bedrock_analytics.window_starts
        on edges.submit_date = window_starts.since_date
    cross join (values (1, 1), (0, -1)) as sides (recent, sign)
    where edges.is_submitted and edges.status in ('Completed', 'Failed')
),

counts as (
    select
        rates.model_id,
        rates.submit_date,
        case when rates.submit_date > window_starts.since_date then 1 else 0 end as recent,
        rates.completed,
        rates.failed
    from bedrock_analytics.failure_rates as rates
    inner join bedrock_analytics.window_starts
        on rates.submit_date >= window_starts.before_date
        and rates.submit_date <= window_starts.end_date
    where rates.cohort = 'date'

    union all

    select
        model_id,
        submit_date,
        recent,
        completed,
        failed
    from edges
),

-- One row per model, period and date of submission.
outcomes as (
    select
        model_id,
        recent,
        cast(sum(failed) as double) as failed,
        cast(sum(completed + failed) as double) as terminal
    from counts
    group by model_id, recent, submit_date
),

-- share: of the 30 days, of terminal ones of both periods; failure_rate: of both periods
pooled as (
    select
        *,
        sum(recent * terminal) over (partition by model_id)
            / sum(terminal) over (partition by model_id) as share,
        sum(failed) over (partition by model_id) / sum(terminal) over (partition by model_id)
            as failure_rate
    from outcomes
    where terminal > 0
),

-- Durations of one bucket, by model and date of submission.
durations as (
    select
        buckets.model_id,
        buckets.submit_date,
        case when buckets.submit_date > window_starts.since_date then 1 else 0 end as recent,
        buckets.bucket,
        array_length(buckets.latencies_ms) as invocations,
        array_length(buckets.latencies_ms) as completed
    from bedrock_analytics.model_latency_buckets as buckets
    inner join bedrock_analytics.window_starts
        on buckets.submit_date >= window_starts.before_date
        and buckets.submit_date <= window_starts.end_date
    where buckets.status = 'Completed'

    union all

    select
        model_id,
        submit_date,
        recent,
        bucket,
        completed as invocations,
        completed
    from edges
    where bucket is not null and completed <> 0

    union all

    select
        ages.model_id,
        ages.submit_date,
        case when ages.submit_time >= window_starts.since then 1 else 0 end as recent,
        cast(floor(100 * ln(1 + greatest(0, ages.age_ms))) as bigint) as bucket,
        1 as invocations,
        0 as completed
    from bedrock_analytics.unmeasured_ages as ages
    inner join bedrock_analytics.window_starts
        on ages.submit_date >= window_starts.before_date
        and ages.submit_date <= window_starts.end_date
),

buckets as (
    select
        model_id,
        bucket,
        cast(sum(completed) as double) as completed,
        cast(sum(sum(invocations)) over at_least as double) as at_risk,
        cast(sum(sum(recent * invocations)) over at_least as double) as recent_at_risk
    from durations
    group by model_id, bucket
    window at_least as (
        partition by model_id
        order by bucket desc
        rows between unbounded preceding and current row
    )
),

-- share: of the 30 days, of those at risk
hazards as (
    select
        *,
        recent_at_risk / at_risk as share,
        completed / at_risk as hazard
    from buckets
),

cumulated as (
    select
        *,
        share * (1 - share) * (at_risk - completed) / greatest(1, at_risk - 1) as variance,
        sum(hazard) over at_most as cumulative_hazard,
        sum(hazard * share) over at_most as cumulative_share
    from hazards
    window at_most as (
        partition by model_id
        order by bucket
        rows between unbounded preceding and current row
    )
),

-- One row per test, model, period and date of submission: by how much the 30 days are worse.
scores as (
    select
        'failures' as test,
        model_id,
        recent,
        terminal as size,
        failed,
        (recent - share) * (failed - failure_rate * terminal) as score,
        share * (1 - share) * failure_rate * (1 - failure_rate) * terminal as variance
    from pooled

    union all

    select
        'latencies' as test,
        durations.model_id,
        durations.recent,
        cast(sum(durations.invocations) as double) as size,
        0e0 as failed,
        sum(
            durations.invocations
            * (durations.recent * cumulated.cumulative_hazard - cumulated.cumulative_share)
            - durations.completed * (durations.recent - cumulated.share)
        ) as score,
        sum(durations.completed * cumulated.variance) as variance
    from durations
    inner join cumulated
        on durations.model_id is not distinct from cumulated.model_id
        and durations.bucket = cumulated.bucket
    group by durations.model_id, durations.recent, durations.submit_date
),

periods as (
    select
        test,
        model_id,
        recent,
        cast(count(*) as double) as dates,
        sum(size) as size,
        sum(failed) as failed,
        sum(score) as score,
        sum(variance) as variance,
        sum(score * score) as score_squared,
        sum(score * size) as score_by_size,
        sum(size * size) as size_squared
    from scores
    where size > 0
    group by test, model_id, recent
),

-- The variance between dates is that of a ratio of two sums.
tests as (
    select
        test,
        model_id,
        sum(recent * size) as size,
        sum((1 - recent) * size) as size_before,
        sum((1 - recent) * failed) as failed_before,
        min(dates) as dates,
        sum(score) as score,
        sum(variance) as variance,
        sum(
            case
                when dates > 1
                    then dates / (dates - 1)
                        * (1 + 4 / (dates - 1) + 3 / ((dates - 1) * (dates - 1)))
                        * (
                            score_squared
                            - 2 * score / size * score_by_size
                            + score / size * score / size * size_squared
                        )
                else 0e0
            end
        ) as variance_between
    from periods
    group by test, model_id
),

z_scores as (
    select
        *,
        case
            when variance > 0 then round(score / sqrt(greatest(variance, variance_between)), 6)
        end as z_score
    from tests
),

-- z is the normal distribution's 98.75 % quantile.
models as (
    select
        model_id,
        max(case when test = 'failures' then size else 0 end) as terminal,
        max(case when test = 'failures' then size_before else 0 end) as terminal_before,
        max(case when test = 'failures' then failed_before else 0 end) as failed_before,
        max(case when test = 'failures' then dates else 0 end) as dates,
        max(case when test = 'failures' then z_score end) as failure_z_score,
        max(case when test = 'latencies' then z_score end) as latency_z_score,
        coalesce(max(case when dates > 1 then z_score end), 0) as highest,
        coalesce(min(case when dates > 1 then z_score end), 0) as lowest,
        2.241402727604947e0 as z
    from z_scores
    group by model_id
)

select
    window_starts.end_date,
    models.model_id,
    cast(models.terminal_before - models.failed_before as bigint) as completed_before,
    cast(models.failed_before as bigint) as failed_before,
    models.failure_z_score,
    models.latency_z_score,
    case
        when least(models.terminal, models.terminal_before) < 30 or models.dates < 2 then 'unknown'
        when models.highest > models.z then 'worse'
        when models.lowest < -models.z then 'better'
        else 'same'
    end as change
from models
cross join bedrock_analytics.window_starts
