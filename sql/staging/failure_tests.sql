-- One row per window that failed more often than the 168 hours before it, with the probability of
-- that by chance; and one row per date (UTC) with the number of windows that were tested.
--
-- A series is of a scope, a region or a whole model. Of each series every hour, every quarter of a day
-- and every day is a window. The test is the exact one of two proportions, one-sided: failures of the
-- window are as drawn from those of window and baseline together (hypergeometric distribution). Open
-- invocations of the window count as if they will complete.
--
-- Windows that stand out are left out of the baselines of later ones: those whose likelihood is e^12
-- times that of the same rate as before, which happens by chance at most once in 150,000 times.
--
-- level: scope, region or model
-- window_date: date of the window, UTC
-- window_start: start of the window; null in the row of a date
-- window_hours: 1, 6 or 24; null in the row of a date
-- failed: failed invocations that were submitted in the window
-- terminal: those that are Completed or Failed
-- still_open: those that are open
-- baseline_failed: failed invocations of the 168 hours before
-- baseline_terminal: Completed and Failed ones of them
-- p_value: probability of at least so many failures if nothing had changed; at most 0.01
-- tests: windows of all series on the date; null in the row of a window
-- dated by: window_date
-- reads back: 14 days
with

-- Hours since 0001-01-01: integer division rounds negative numbers towards 0.
submitted as (
    select
        account_id,
        region,
        model_id,
        (epoch_us(submit_hour) + 62135596800000000) // 3600000000 as hour,
        failed,
        completed + failed as terminal,
        0 as still_open
    from bedrock_analytics.failure_rates
    where cohort = 'hour' and submit_hour is not null

    union all

    select
        account_id,
        region,
        model_id,
        (epoch_us(submit_time) + 62135596800000000) // 3600000000 as hour,
        0 as failed,
        0 as terminal,
        1 as still_open
    from bedrock_analytics.open_submissions
    where submit_time is not null and not is_vanished
),

hours as (
    select
        case
            when grouping(account_id) = 0 then 'scope'
            when grouping(region) = 0 then 'region'
            else 'model'
        end as level,
        account_id,
        region,
        model_id,
        hour,
        cast(sum(failed) as bigint) as failed,
        cast(sum(terminal) as bigint) as terminal,
        cast(sum(still_open) as bigint) as still_open
    from submitted
    group by
        grouping sets (
            (account_id, region, model_id, hour), (region, model_id, hour), (model_id, hour)
        )
),

windows as (
    select
        hours.level,
        hours.account_id,
        hours.region,
        hours.model_id,
        lengths.window_hours,
        hours.hour - hours.hour % lengths.window_hours as start,
        cast(sum(hours.failed) as double) as failed,
        cast(sum(hours.terminal) as double) as terminal,
        cast(sum(hours.terminal + hours.still_open) as double) as number
    from hours
    cross join (values (1), (6), (24)) as lengths (window_hours)
    group by all
),

compared as (
    select
        *,
        sum(failed) over week_before as week_failed,
        sum(terminal) over week_before as week_terminal
    from windows
    window week_before as (
        partition by level, account_id, region, model_id, window_hours
        order by start
        range between 168 preceding and 1 preceding
    )
),

-- The logarithm of the ratio of likelihoods: rates of their own against one rate. What is 0 or all of
-- a number adds nothing.
ratios as (
    select
        *,
        case
            when failed * week_terminal > week_failed * number
                then failed * ln(failed / number)
                    + coalesce((number - failed) * ln(nullif(1 - failed / number, 0)), 0)
                    + coalesce(week_failed * ln(nullif(week_failed / week_terminal, 0)), 0)
                    + (week_terminal - week_failed) * ln(1 - week_failed / week_terminal)
                    - (failed + week_failed) * ln((failed + week_failed) / (number + week_terminal))
                    - coalesce(
                        (number + week_terminal - failed - week_failed) * ln(
                            nullif(1 - (failed + week_failed) / (number + week_terminal), 0)
                        ),
                        0
                    )
            else 0e0
        end as log_ratio
    from compared
),

tested as (
    select
        *,
        coalesce(
            sum(case when log_ratio > 12 then 0 else failed end) over week_before, 0
        ) as baseline_failed,
        coalesce(
            sum(case when log_ratio > 12 then 0 else terminal end) over week_before, 0
        ) as baseline_terminal
    from ratios
    window week_before as (
        partition by level, account_id, region, model_id, window_hours
        order by start
        range between 168 preceding and 1 preceding
    )
),

-- A number less than a standard deviation above its mean is no rarer than 1 in 100.
outlying as (
    select
        *,
        row_number() over (
            order by window_hours, start, level, account_id, region, model_id
        ) as id
    from tested
    where
        failed * baseline_terminal > baseline_failed * number
        and pow(failed * baseline_terminal - baseline_failed * number, 2)
        * (number + baseline_terminal - 1)
        > number * baseline_terminal * (failed + baseline_failed)
        * (number + baseline_terminal - failed - baseline_failed)
),

-- The nine factorials of a hypergeometric probability.
factorials as (
    select
        outlying.id,
        factors.sign,
        case factors.factor
            when 1 then failed + baseline_failed
            when 2 then number + baseline_terminal - failed - baseline_failed
            when 3 then number
            when 4 then baseline_terminal
            when 5 then number + baseline_terminal
            when 6 then failed
            when 7 then baseline_failed
            when 8 then number - failed
            else baseline_terminal - baseline_failed
        end as n
    from outlying
    cross join (
        values (1, 1), (2, 1), (3, 1), (4, 1), (5, -1), (6, -1), (7, -1), (8, -1), (9, -1)
    ) as factors (factor, sign)
),

-- The logarithm of n! by Stirling's series at n + 10, less that of what it is too much. Sums of
-- decimals are the same in whatever order they are added.
probabilities as (
    select
        id,
        exp(
            cast(
                sum(
                    cast(
                        sign * (
                            (n + 9.5e0) * ln(n + 10)
                            - n
                            + 1 / (12e0 * (n + 10))
                            - 1 / (360e0 * pow(n + 10, 3))
                            + 1 / (1260e0 * pow(n + 10, 5))
                            - 1 / (1680e0 * pow(n + 10, 7))
                            - ln(
                                (n + 1) * (n + 2) * (n + 3) * (n + 4) * (n + 5)
                                * (n + 6) * (n + 7) * (n + 8) * (n + 9)
                            )
                            - 9.081061466795327e0
                        ) as decimal(38, 18)
                    )
                ) as double
            )
        ) as probability
    from factorials
    group by id
),

-- first_factor: how much less probable one failure more is
rare as (
    select
        outlying.*,
        probabilities.probability,
        baseline_failed * (number - failed)
            / ((failed + 1) * (baseline_terminal - baseline_failed + 1)) as first_factor
    from outlying
    inner join probabilities
        on outlying.id = probabilities.id
    where probabilities.probability <= 0.01e0
),

-- How much less probable each number of failures more is than the one before, as far as it adds to
-- the first 16 digits.
more as (
    -- Ten thousand failures more are beyond any doubt.
    select
        *,
        unnest(
            range(
                0,
                1 + cast(
                    floor(
                        least(
                            9999,
                            baseline_failed,
                            number - failed,
                            40 + 10 * sqrt(failed),
                            40 / -ln(nullif(first_factor, 0))
                        )
                    ) as bigint
                )
            )
        ) as more
    from rare
),

products as (
    select
        id,
        probability,
        exp(
            cast(
                sum(
                    cast(
                        case
                            when more = 0 then 0
                            else ln(
                                (baseline_failed - more + 1) * (number - failed - more + 1)
                                / ((failed + more) * (baseline_terminal - baseline_failed + more))
                            )
                        end as decimal(38, 18)
                    )
                ) over (
                    partition by id order by more rows between unbounded preceding and current row
                ) as double
            )
        ) as product
    from more
),

chances as (
    select
        id,
        max(probability) * cast(sum(cast(product as decimal(38, 18))) as double) as p_value
    from products
    group by id
)

select
    level,
    account_id,
    region,
    model_id,
    cast(date '0001-01-01' + cast(start // 24 as integer) as date) as window_date,
    timestamptz '0001-01-01 00:00:00+00' + cast(start as bigint) * interval '1' hour as window_start,
    window_hours,
    cast(failed as bigint) as failed,
    cast(terminal as bigint) as terminal,
    cast(number - terminal as bigint) as still_open,
    cast(baseline_failed as bigint) as baseline_failed,
    cast(baseline_terminal as bigint) as baseline_terminal,
    p_value,
    cast(null as bigint) as tests
from outlying
inner join chances
    on outlying.id = chances.id
    and chances.p_value <= 0.01e0

union all

select
    cast(null as text) as level,
    cast(null as text) as account_id,
    cast(null as text) as region,
    cast(null as text) as model_id,
    cast(date '0001-01-01' + cast(start // 24 as integer) as date) as window_date,
    cast(null as timestamptz) as window_start,
    cast(null as integer) as window_hours,
    cast(null as bigint) as failed,
    cast(null as bigint) as terminal,
    cast(null as bigint) as still_open,
    cast(null as bigint) as baseline_failed,
    cast(null as bigint) as baseline_terminal,
    cast(null as double) as p_value,
    count(*) as tests
from windows
group by start // 24
