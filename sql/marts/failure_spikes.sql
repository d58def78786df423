-- One row per window that failed more often than the 168 hours before it, beyond chance: an hour, a
-- quarter of a day or a day (UTC) of a scope, of a region, or of a whole model.
--
-- By an exact test, and the method of Benjamini and Hochberg (1995): among the windows of a model,
-- for as many tests as there are of all models on the date and the six dates before. So an outage of
-- one model lets no spike of another through. failure_tests is the test.
--
-- level: scope, region (all accounts in one) or model (all accounts and regions)
-- window_start: start of the window
-- window_hours: 1, 6 or 24
-- failed: failed invocations that were submitted in the window
-- terminal: Completed and Failed invocations of the window
-- still_open: its open ones, which the test takes for Completed
-- baseline_failed: failed ones of the 168 hours before, without windows that stand out themselves
-- baseline_terminal: Completed and Failed ones of these hours
-- rate: failed / terminal
-- baseline_rate: baseline_failed / baseline_terminal
-- p_value: probability of so many failures or more if nothing had changed
-- q_value: at most that share of the model's windows with no greater p_value is chance; at most 0.01
-- excess_failed: failed, less those to be expected at the baseline's rate
-- dated by: window_start
-- reads back: 6 days
with

families as (
    select
        failure_tests.*,
        cast(failure_tests.window_date + days.later as date) as family_date
    from bedrock_analytics.failure_tests
    cross join (values (0), (1), (2), (3), (4), (5), (6)) as days (later)
),

sizes as (
    select
        family_date,
        cast(sum(tests) as double) as tests
    from families
    where window_hours is null
    group by family_date
),

ranked as (
    select
        families.*,
        families.p_value * sizes.tests / count(*) over (
            partition by families.family_date, families.model_id
            order by families.p_value
            range between unbounded preceding and current row
        ) as false_share
    from families
    inner join sizes
        on families.family_date = sizes.family_date
    where families.window_hours is not null
),

adjusted as (
    select
        *,
        min(false_share) over (
            partition by family_date, model_id
            order by p_value
            range between current row and unbounded following
        ) as q_value
    from ranked
)

select
    level,
    account_id,
    region,
    model_id,
    window_start,
    window_hours,
    failed,
    terminal,
    still_open,
    baseline_failed,
    baseline_terminal,
    cast(failed as double) / terminal as rate,
    cast(baseline_failed as double) / baseline_terminal as baseline_rate,
    p_value,
    q_value,
    failed - cast(terminal as double) * baseline_failed / baseline_terminal as excess_failed
from adjusted
where q_value <= 0.01e0 and family_date = window_date
