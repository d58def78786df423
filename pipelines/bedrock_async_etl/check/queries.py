"""The queries of the rules: invocations of a window, and their statistics."""

from collections.abc import Mapping, Sequence
from typing import Final

from bedrock_async_etl.models.statistics import statistic
from bedrock_async_etl.options import Per

LEVELS: Final[Mapping[str, Sequence[str]]] = {
    "scope": ("account_id", "region", "model_id"),
    "region": ("region", "model_id"),
    "model": ("model_id",),
    "all": ("model_id",),
}
"""Columns that group rates and percentiles, by `--per`; with `all`, models with a threshold of
their own are groups, and the others one group.
"""
CHOSEN: Final = """
with submitted as (
    select
        account_id,
        region,
        coalesce(model_id, model_arn) as model_id,
        null as submit_hour,
        null as submit_date,
        submit_hour as hour,
        is_open,
        is_terminal,
        {is_failed} as has_failed,
        cast(round(1000 * latency_seconds) as bigint) as latency_ms,
        age_ms
    from bedrock_analytics.invocations
    left join (select invocation_arn, age_ms from bedrock_analytics.unmeasured_ages)
        using (invocation_arn)
    where submit_time >= $since and submit_time < $until
),

together as (
    select * replace (null as account_id, null as region, null as model_id)
    from submitted
    where not list_contains($named, model_id)
),

chosen as (
    select 'each' as cohort, * {each}
    from submitted
    where $is_each or list_contains($named, model_id)
    union all
    select 'together' as cohort, * from together
)
"""
"""The invocations of the window, once in their group and once in the group of all."""
HOURS: Final = """
select
    cohort, account_id, region, model_id, submit_hour, submit_date,
    count(*) as invocations,
    count(*) filter (where is_terminal and not has_failed) as completed,
    count(*) filter (where has_failed) as failed,
    count(*) filter (where is_open) as in_progress,
    not bool_or(is_open) as is_settled,
    max(latency_ms) as longest_ms
from chosen
group by cohort, account_id, region, model_id, submit_hour, submit_date, hour
"""
AGES: Final = """
select cohort, account_id, region, model_id, submit_hour, submit_date, age_ms
from chosen
where is_open and age_ms is not null
"""
LATENCIES: Final = """
select
    cohort, account_id, region, model_id, submit_hour, submit_date,
    greatest(0, latency_ms) as latency_ms,
    1 as ended,
    cast(has_failed as integer) as failed
from chosen
where latency_ms is not null
"""
"""Inputs of `failure_rates`."""
SUBJECTS: Final = """
select
    [cohort] as cohorts, account_id, region, model_id, submit_date,
    if(latency_ms is not null, [latency_ms], null) as latencies_ms,
    age_ms,
    is_open
from chosen
where cohort = 'each' or not $is_each
"""
"""The same as subjects of the estimate, as `survivals` has them."""

FAILURE_RATES: Final = """
{chosen}
select
    cohort,
    account_id,
    region,
    model_id,
    completed + failed as terminal,
    failed,
    still_open,
    failure_risk as rate,
    failure_risk_low as low,
    failure_risk_high as high
from ({failure_rates})
order by cohort, model_id, account_id, region
"""
SURVIVALS: Final = """
{chosen}
select account_id, region, model_id, ended, still_open, p95, p95_low, p95_high, longest
from ({survivals})
order by model_id, account_id, region
"""

MOST: Final = """
select account_id || '/' || region as scope, count(*) as number
from bedrock_analytics.invocations
where
    submit_time >= $since
    and submit_time < $until
    and ({is_counted})
    and coalesce(region = $region, true)
    and if(
        $model_id is null,
        not list_contains($named, coalesce(model_id, model_arn)),
        coalesce(model_id, model_arn) = $model_id
    )
group by scope
order by number desc, scope
limit 1
"""
"""The scope with most of what a breach is about."""

OPEN: Final = """
with limits as (
    select unnest($models) as model_id, unnest($limits) as max_age
),

still_open as (
    select
        coalesce(model_id, model_arn) as model_id,
        invocation_arn,
        submit_time,
        age_seconds,
    from (from bedrock_analytics.invocations where is_open)
    inner join (select invocation_arn, age_seconds from bedrock_analytics.open_invocations)
        using (invocation_arn)
    where age_seconds is not null
)

select
    model_id,
    count(*) as still_open,
    count(*) filter (where age_seconds > coalesce(max_age, $general)) as too_old,
    max(age_seconds) as oldest_age,
    min_by(invocation_arn, (-age_seconds, invocation_arn)) as oldest_arn,
    min_by(submit_time, (-age_seconds, invocation_arn)) as oldest_at,
    coalesce(bool_or(is_stalled), false) as is_stalled,
from still_open
left join limits using (model_id)
left join (select model_id, is_stalled from bedrock_analytics.model_summary) using (model_id)
group by all
order by model_id
"""


def failure_rates_query(per: Per, is_failed: str) -> str:
    """Failure rates and risks of each group, and of all invocations.

    `is_failed` is the condition under which an invocation counts as failed.
    """
    inputs = {"hours": HOURS, "ages": AGES, "latencies": LATENCIES}
    rates = statistic("failure_rates", **inputs)
    return FAILURE_RATES.format(chosen=_chosen(per, is_failed), failure_rates=rates)


def survivals_query(per: Per) -> str:
    """Latency percentiles of each group."""
    survivals = statistic("survivals", subjects=SUBJECTS)
    return SURVIVALS.format(chosen=_chosen(per), survivals=survivals)


def _chosen(per: Per, is_failed: str = "is_failed") -> str:
    kept = LEVELS[per]
    nulls = [f"null as {name}" for name in LEVELS["scope"] if name not in kept]
    each = f"replace ({', '.join(nulls)})" if nulls else ""
    return CHOSEN.format(is_failed=is_failed, each=each)
