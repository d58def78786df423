-- One row per account, region, model and hour of submission (UTC) that failed significantly more
-- than the seven days before it.
--
-- failed: failed invocations of the hour
-- terminal: Completed and Failed invocations of the hour; at least 20
-- rate: failed / terminal
-- baseline_rate: failed / terminal of the 168 hours before
-- z_score: rate - baseline_rate in standard errors, of the pooled test of two proportions; at
--   least 3
with

failure_rate_hourly as (
    select * from bedrock_analytics.failure_rate_hourly
),

counted as (
    select
        account_id,
        region,
        model_id,
        submit_hour,
        failed,
        completed + failed as terminal,
        cast(sum(failed) over week_before as double) as baseline_failed,
        cast(sum(completed + failed) over week_before as double) as baseline_terminal
    from failure_rate_hourly
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
        (failed + baseline_failed) / (terminal + baseline_terminal) as pooled_rate
    from counted
    where terminal >= 20 and baseline_terminal > 0
),

scored as (
    select
        *,
        (rate - baseline_rate) / nullif(
            sqrt(
                pooled_rate * (1 - pooled_rate) * (1e0 / terminal + 1e0 / baseline_terminal)
            ),
            0
        ) as z_score
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
where z_score >= 3
order by account_id, region, model_id, submit_hour
