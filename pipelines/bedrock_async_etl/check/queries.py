"""The SELECTs that the gate judges by."""

from typing import Final

OUTCOMES: Final = """
select
    coalesce(model_id, model_arn) as model_id,
    count(*) filter (where is_terminal) as terminal,
    count(*) filter (where is_failed) as failed,
from bedrock_analytics.invocations
where submit_time >= $since and submit_time < $until
group by all
order by model_id
"""

SURVIVALS: Final = """
with durations as (
    select
        coalesce(model_id, model_arn) as model_id,
        cast(round(1000 * coalesce(latency_seconds, age_seconds)) as bigint) as duration_ms,
        count(latency_seconds) as ended,
        count(age_seconds) as still_open,
    from bedrock_analytics.invocations
    where
        submit_time >= $since
        and submit_time < $until
        and coalesce(latency_seconds, age_seconds) is not null
    group by all
),

risks as (
    select
        *,
        sum(ended + still_open) over (partition by model_id order by duration_ms desc) as at_risk,
    from durations
),

curves as (
    select
        *,
        exp(
            sum(case when ended < at_risk then ln(1 - ended / at_risk) else -1e3 end)
                over (partition by model_id order by duration_ms)
        ) as survival,
    from risks
)

select
    model_id,
    cast(sum(ended) as bigint) as ended,
    cast(sum(still_open) as bigint) as still_open,
    min(duration_ms) filter (where survival <= 0.05 + 1e-9) / 1000 as p95,
    max(duration_ms) / 1000 as longest,
from curves
group by model_id
order by model_id
"""
"""As `sql/staging/survivals.sql`, which says why, for a window that is none of its cohorts."""

OPEN: Final = """
with limits as (
    select unnest($models) as model_id, unnest($limits) as max_age
),

still_open as (
    select coalesce(model_id, model_arn) as model_id, invocation_arn, age_seconds,
    from bedrock_analytics.invocations
    where is_open and not is_vanished and age_seconds is not null
)

select
    model_id,
    count(*) as still_open,
    count(*) filter (where age_seconds > coalesce(max_age, $general)) as too_old,
    max(age_seconds) as oldest_age,
    min_by(invocation_arn, (-age_seconds, invocation_arn)) as oldest_arn,
from still_open
left join limits using (model_id)
group by all
order by model_id
"""

MODELLED: Final = """
select max(cast(_dlt_load_id as double))
from bedrock.extract_runs
where
    outcome = 'ok'
    and finished_at <= (select max(last_success_at) from bedrock_analytics.scopes)
"""

AS_OF: Final = "select max(as_of) from bedrock_analytics.scopes"
NEWEST: Final = "select max(submit_time) from bedrock_analytics.invocations"
MODEL_IDS: Final = """
select distinct coalesce(model_id, model_arn) from bedrock_analytics.invocations
"""
