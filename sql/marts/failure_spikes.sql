-- One row per account, region, model and hour of submission (UTC) that failed significantly more
-- than the seven days before it.
--
-- Failures often end sooner than successes, so an hour counts only if it would even with all of its
-- open invocations completed.
--
-- failed: failed invocations of the hour
-- terminal: Completed and Failed invocations of the hour; at least 20
-- rate: failed / terminal
-- baseline_rate: failed / terminal of the 168 hours before, which have 20 terminal ones or more
-- z_score: rate - baseline_rate in standard errors, of the pooled test of two proportions; at
--   least 3
-- dated by: submit_hour
-- reads back: 7 days
with

counted as (
    select
        account_id,
        region,
        model_id,
        submit_hour,
        failed,
        completed + failed as terminal,
        invocations,
        cast(sum(failed) over week_before as double) as baseline_failed,
        cast(sum(completed + failed) over week_before as double) as baseline_terminal
    from bedrock_analytics.failure_rate_hourly
    window week_before as (
        partition by account_id, region, model_id
        order by submit_hour
        range between interval '168' hour preceding and interval '1' hour preceding
    )
),

compared as (
    select
        *,
        failed / cast(terminal as double) as rate,
        baseline_failed / baseline_terminal as baseline_rate,
        (failed + baseline_failed) / (terminal + baseline_terminal) as pooled_rate,
        failed / cast(invocations as double) as least_rate,
        (failed + baseline_failed) / (invocations + baseline_terminal) as least_pooled_rate
    from counted
    where terminal >= 20 and baseline_terminal >= 20
),

scored as (
    select
        *,
        (rate - baseline_rate) / nullif(
            sqrt(
                pooled_rate * (1 - pooled_rate) * (1e0 / terminal + 1e0 / baseline_terminal)
            ),
            0
        ) as z_score,
        (least_rate - baseline_rate) / nullif(
            sqrt(
                least_pooled_rate * (1 - least_pooled_rate)
                    * (1e0 / invocations + 1e0 / baseline_terminal)
            ),
            0
        ) as least_z_score
    from compared
)

select
    account_id,
    region,
    model_id,
    submit_hour,
    failed,
    terminal,
    rate,
    baseline_rate,
    z_score
from scored
where z_score >= 3 and least_z_score >= 3
