-- One row per cohort of each of two kinds: what became of its invocations.
--
-- Failures of one hour often have one cause, so a cohort of several hours proves less than as many
-- invocations that fail each by itself. Its intervals are Wilson's (1927) with the number of
-- terminal invocations divided by the design effect of the hours.
--
-- failure_risk is the Aalen-Johansen estimate of failing, with completion as the competing event and
-- open invocations censored at their age. Between two ages the weight of a failure is the same, so
-- it is computed only for cohorts with an age that is below their longest latency: elsewhere it is
-- failed / (completed + failed + open). Its interval is that of a rate with the same variance.
--
-- cohort: hour or date (of submission, per account, region and model)
-- submit_hour: start of the hour; null for a date
-- invocations: all there are, whatever their status
-- completed: those that are Completed
-- failed: those that are Failed
-- in_progress: open ones that are InProgress
-- still_open: those that are open, of a known age
-- failure_rate: failed / (completed + failed); null where both are 0
-- failure_rate_low: lower bound of its 95 % interval
-- failure_rate_high: upper bound of its 95 % interval
-- failure_risk: share that will have failed once all have ended; null where none has
-- failure_risk_low: lower bound of its 95 % interval
-- failure_risk_high: upper bound of its 95 % interval
-- design_effect: by how much failures that come together widen the intervals; 1 for an hour
-- is_settled: none is open, and the scope was read past the end of the hour or date and the lag
-- dated by: submit_date
with

invocations as (
    select
        invocations.account_id,
        invocations.region,
        invocations.model_id,
        invocations.submit_hour,
        invocations.submit_date,
        invocations.status,
        invocations.latency_seconds,
        invocations.is_open,
        unsettled_dates.submit_date is null as is_date_read,
        coalesce(
            unsettled_dates.submit_date is null
            or invocations.submit_hour < unsettled_dates.settled_through,
            false
        ) as is_hour_read
    from bedrock_analytics.invocations
    left join bedrock_analytics.unsettled_dates
        on invocations.account_id is not distinct from unsettled_dates.account_id
        and invocations.region is not distinct from unsettled_dates.region
        and invocations.submit_date = unsettled_dates.submit_date
),

submitted as (
    select
        account_id,
        region,
        model_id,
        submit_hour,
        submit_date,
        count(*) as invocations,
        count(*) filter (where status = 'Completed') as completed,
        count(*) filter (where status = 'Failed') as failed,
        count(*) filter (where is_open and status = 'InProgress') as in_progress,
        count(*) filter (where is_open) > 0 as has_open,
        count(*) filter (where not is_hour_read) = 0 as is_hour_read,
        count(*) filter (where not is_date_read) = 0 as is_date_read,
        cast(round(1000 * max(latency_seconds)) as bigint) as longest_ms
    from invocations
    group by account_id, region, model_id, submit_hour, submit_date
),

-- One row per cohort and hour of submission.
hours as (
    select
        kinds.cohort,
        account_id,
        region,
        model_id,
        case when kinds.cohort = 'hour' then submit_hour end as submit_hour,
        submit_date,
        invocations,
        completed,
        failed,
        in_progress,
        not has_open
        and case when kinds.cohort = 'hour' then is_hour_read else is_date_read end as is_settled,
        longest_ms
    from submitted
    cross join (values ('hour'), ('date')) as kinds (cohort)
),

-- One row per cohort and open invocation. They are apart from the latencies, which are many: DuckDB
-- copies what is read twice.
ages as (
    select
        kinds.cohort,
        account_id,
        region,
        model_id,
        case when kinds.cohort = 'hour' then submit_hour end as submit_hour,
        submit_date,
        age_ms
    from bedrock_analytics.censored_ages
    cross join (values ('hour'), ('date')) as kinds (cohort)
    where is_open
),

measured as (
    select
        account_id,
        region,
        model_id,
        submit_hour,
        submit_date,
        greatest(0, cast(round(1000 * latency_seconds) as bigint)) as latency_ms,
        1 as ended,
        case when status = 'Failed' then 1 else 0 end as failed
    from invocations
    where latency_seconds is not null
),

-- One row per cohort and latency, or latencies between which is no age.
latencies as (
    select
        'hour' as cohort,
        *
    from measured

    union all

    select
        'date' as cohort,
        account_id,
        region,
        model_id,
        cast(null as timestamptz) as submit_hour,
        submit_date,
        latency_ms,
        ended,
        failed
    from measured
),

counted as (
    select
        cohort,
        account_id,
        region,
        model_id,
        submit_hour,
        submit_date,
        cast(sum(invocations) as bigint) as invocations,
        cast(sum(completed) as bigint) as completed,
        cast(sum(failed) as bigint) as failed,
        cast(sum(in_progress) as bigint) as in_progress,
        count(*) filter (where not is_settled) = 0 as is_settled,
        max(longest_ms) as longest_ms,
        cast(count(*) filter (where completed + failed > 0) as double) as hours,
        cast(sum(failed * failed) as double) as failed_squared,
        cast(sum(failed * (completed + failed)) as double) as failed_by_terminal,
        cast(sum((completed + failed) * (completed + failed)) as double) as terminal_squared
    from hours
    group by cohort, account_id, region, model_id, submit_hour, submit_date
),

still_open as (
    select
        cohort,
        account_id,
        region,
        model_id,
        submit_hour,
        submit_date,
        count(*) as still_open,
        min(age_ms) as youngest_ms
    from ages
    group by cohort, account_id, region, model_id, submit_hour, submit_date
),

cohorts as (
    select
        counted.*,
        cast(nullif(counted.completed + counted.failed, 0) as double) as terminal,
        coalesce(still_open.still_open, 0) as still_open,
        coalesce(still_open.youngest_ms < counted.longest_ms, false) as is_curtailed,
        row_number() over (
            order by
                counted.cohort,
                counted.account_id,
                counted.region,
                counted.model_id,
                counted.submit_hour,
                counted.submit_date
        ) as number
    from counted
    left join still_open
        on counted.cohort = still_open.cohort
        and counted.account_id is not distinct from still_open.account_id
        and counted.region is not distinct from still_open.region
        and counted.model_id is not distinct from still_open.model_id
        and counted.submit_hour is not distinct from still_open.submit_hour
        and counted.submit_date is not distinct from still_open.submit_date
),

subjects as (
    select
        cohort,
        account_id,
        region,
        model_id,
        submit_hour,
        submit_date,
        latency_ms as duration_ms,
        ended,
        failed,
        0 as censored
    from latencies

    union all

    select
        cohort,
        account_id,
        region,
        model_id,
        submit_hour,
        submit_date,
        age_ms as duration_ms,
        0 as ended,
        0 as failed,
        1 as censored
    from ages
),

durations as (
    select
        cohorts.number,
        subjects.duration_ms,
        subjects.ended,
        subjects.failed,
        subjects.censored
    from subjects
    inner join cohorts
        on cohorts.is_curtailed
        and subjects.cohort = cohorts.cohort
        and subjects.account_id is not distinct from cohorts.account_id
        and subjects.region is not distinct from cohorts.region
        and subjects.model_id is not distinct from cohorts.model_id
        and subjects.submit_hour is not distinct from cohorts.submit_hour
        and subjects.submit_date is not distinct from cohorts.submit_date
),

-- What ends at an age counts as ended before the open one is censored.
steps as (
    select
        number,
        duration_ms,
        cast(sum(ended) as bigint) as ended,
        cast(sum(failed) as bigint) as failed,
        cast(sum(censored) as bigint) as censored
    from durations
    group by number, duration_ms, ended > 0
),

running as (
    select
        *,
        cast(
            sum(ended + censored) over (
                partition by number
                order by duration_ms, censored
                rows between current row and unbounded following
            ) as double
        ) as running,
        cast(sum(ended + censored) over (partition by number) as double) as n
    from steps
),

-- A censored invocation leaves its weight to those that run for longer. Sums of decimals are the
-- same in whatever order they are added.
weighted as (
    select
        *,
        exp(
            coalesce(
                cast(
                    sum(
                        cast(
                            case
                                when censored > 0 and running > censored
                                    then ln(running / (running - censored))
                                else 0e0
                            end as decimal(38, 18)
                        )
                    ) over (
                        partition by number
                        order by duration_ms, censored
                        rows between unbounded preceding and 1 preceding
                    ) as double
                ),
                0e0
            )
        ) / n as weight
    from running
),

failing as (
    select
        *,
        cast(
            sum(cast(weight * failed as decimal(38, 18))) over (partition by number) as double
        ) as failure_risk,
        cast(
            coalesce(
                sum(cast(weight * failed as decimal(38, 18))) over (
                    partition by number
                    order by duration_ms, censored
                    rows between 1 following and unbounded following
                ),
                0
            ) as double
        ) as later_risk
    from weighted
),

-- spread: what the open ones add to the variance, times the number of invocations. Logarithms differ
-- between engines in their last digit, and so would sums without rounding.
risks as (
    select
        number,
        max(n) as n,
        round(max(failure_risk), 12) as failure_risk,
        round(
            cast(
                sum(
                    cast(
                        case
                            when running > censored
                                then n * later_risk * (weight * running - later_risk)
                                    * (1 / (running - censored) - 1 / running)
                            else 0e0
                        end as decimal(38, 18)
                    )
                ) as double
            ),
            12
        ) as spread
    from failing
    group by number
),

rates as (
    select
        cohorts.*,
        cohorts.failed / cohorts.terminal as failure_rate,
        case
            when cohorts.is_curtailed then risks.failure_risk
            else cohorts.failed / (cohorts.terminal + cohorts.still_open)
        end as failure_risk,
        case
            when not cohorts.is_curtailed then cohorts.terminal + cohorts.still_open
            when risks.failure_risk > 0 and risks.failure_risk < 1
                then risks.n * risks.failure_risk * (1 - risks.failure_risk)
                    / (risks.failure_risk * (1 - risks.failure_risk) + risks.spread)
            else cohorts.terminal
        end as risk_n
    from cohorts
    left join risks
        on cohorts.number = risks.number
),

-- The variance between hours, as of a ratio of two sums, over that of invocations that fail each by
-- itself. Few hours with failures show little of it, so it counts for more there; but no more than if
-- all of an hour had the same end.
designs as (
    select
        *,
        coalesce(failed * cast(failed as double) / nullif(failed_squared, 0), 1) as failing_hours,
        case
            when hours > 1 and failed > 0 and completed > 0
                then hours / (hours - 1)
                    * (
                        failed_squared
                        - 2 * failure_rate * failed_by_terminal
                        + failure_rate * failure_rate * terminal_squared
                    ) / (terminal * failure_rate * (1 - failure_rate))
            else 1e0
        end as between_hours
    from rates
),

-- z is the normal distribution's 97.5 % quantile.
effective as (
    select
        *,
        least(
            1 + greatest(0, between_hours - 1) * (
                1 + 3 / failing_hours + 4 / (failing_hours * failing_hours)
            ),
            terminal_squared / terminal
        ) as design_effect,
        1.959963984540054e0 as z
    from designs
),

numbers as (
    select
        *,
        terminal / design_effect as rate_n,
        risk_n / design_effect as effective_risk_n
    from effective
),

intervals as (
    select
        *,
        (failure_rate + z * z / (2 * rate_n)) / (1 + z * z / rate_n) as rate_centre,
        z / (1 + z * z / rate_n) * sqrt(
            failure_rate * (1 - failure_rate) / rate_n + z * z / (4 * rate_n * rate_n)
        ) as rate_half_width,
        (failure_risk + z * z / (2 * effective_risk_n)) / (1 + z * z / effective_risk_n)
            as risk_centre,
        z / (1 + z * z / effective_risk_n) * sqrt(
            failure_risk * (1 - failure_risk) / effective_risk_n
            + z * z / (4 * effective_risk_n * effective_risk_n)
        ) as risk_half_width
    from numbers
)

select
    cohort,
    account_id,
    region,
    model_id,
    submit_hour,
    submit_date,
    invocations,
    completed,
    failed,
    in_progress,
    still_open,
    failure_rate,
    case when failure_rate = 0 then 0e0 else rate_centre - rate_half_width end as failure_rate_low,
    case when failure_rate = 1 then 1e0 else rate_centre + rate_half_width end as failure_rate_high,
    failure_risk,
    case when failure_risk = 0 then 0e0 else risk_centre - risk_half_width end as failure_risk_low,
    case when failure_risk = 1 then 1e0 else risk_centre + risk_half_width end
        as failure_risk_high,
    case when terminal is not null then design_effect end as design_effect,
    is_settled
from intervals
