"""The formula of `failure_rates` over a table `given`: a row per model, outcome, hour, duration.

It has the columns `model_id`, `outcome` (failed, completed or open), `count`, `ms` and `hour`.
"""

from typing import Final

from bedrock_async_etl.models.statistics import statistic

HOURS: Final = """
select
    'given' as cohort, null as account_id, null as region, model_id, null as submit_hour,
    null as submit_date,
    sum(count) as invocations,
    coalesce(sum(count) filter (where outcome = 'completed'), 0) as completed,
    coalesce(sum(count) filter (where outcome = 'failed'), 0) as failed,
    0 as in_progress, true as is_settled,
    max(ms) filter (where outcome <> 'open') as longest_ms
from given
group by model_id, hour
"""
AGES: Final = """
select
    'given' as cohort, null as account_id, null as region, model_id, null as submit_hour,
    null as submit_date, ms as age_ms
from given, range(count)
where outcome = 'open'
"""
LATENCIES: Final = """
select
    'given' as cohort, null as account_id, null as region, model_id, null as submit_hour,
    null as submit_date, ms as latency_ms, count as ended,
    if(outcome = 'failed', count, 0) as failed
from given
where outcome <> 'open'
"""
OUTCOMES: Final = """
select
    account_id, region, model_id, submit_time, submit_date,
    if(is_open, 'open', lower(status)) as outcome, 1 as count,
    if(is_open, age_ms, round(1000 * latency_seconds)) as ms,
    epoch_ms(submit_time) // 3_600_000 as hour
from bedrock_analytics.invocations
left join (select invocation_arn, age_ms from bedrock_analytics.open_ages) using (invocation_arn)
where is_open or is_terminal
"""
"""The invocations of a database as rows of `given`."""
FORMULA: Final = statistic("failure_rates", hours=HOURS, ages=AGES, latencies=LATENCIES)
