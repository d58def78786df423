"""Intervals at 95 % have the truth in them at least so often as is said, in simulated worlds."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from bedrock_async_etl.models.statistics import statistic

pytestmark = pytest.mark.integration

LEAST = 0.92
"""Share of intervals that have the truth in them."""
WORLDS = 1_000
PER_HOUR = 30
KEYS = """
    'simulated' as cohort, null as account_id, null as region, world as model_id,
    null as submit_hour, null as submit_date,
"""
HOURS = f"""
select
    {KEYS} count(*) as invocations,
    count(*) filter (where not is_open and not has_failed) as completed,
    count(*) filter (where not is_open and has_failed) as failed,
    0 as in_progress, true as is_settled, max(ms) filter (where not is_open) as longest_ms
from given
group by world, hour
"""
AGES = f"select {KEYS} ms as age_ms from given where is_open"
LATENCIES = f"""
select {KEYS} ms as latency_ms, 1 as ended, cast(has_failed as integer) as failed
from given
where not is_open
"""
SUBJECTS = """
select
    'simulated' as cohort, null as account_id, null as region, world as model_id,
    null as submit_date, if(is_open, null, [ms]) as latencies_ms, if(is_open, ms, null) as age_ms,
    is_open
from given
"""


def coverage(given: pa.Table, formula: str, value: str, truth: float) -> float:
    """The share of worlds whose interval has the truth in it; a bound that is null is beyond it."""
    with duckdb.connect() as connection:
        connection.register("given", given)
        [(share,)] = connection.sql(
            f"select avg(cast({truth} between coalesce({value}_low, 'infinity'::double) "
            f"and coalesce({value}_high, 'infinity'::double) as integer)) from ({formula})"
        ).fetchall()
    return float(share)


def failure_risk_coverage(given: pa.Table, truth: float) -> float:
    formula = statistic("failure_rates", hours=HOURS, ages=AGES, latencies=LATENCIES)
    return coverage(given, formula, "failure_risk", truth)


def world(hours: int, rate: float, correlation: float, worlds: int) -> pa.Table:
    """Hours whose own rates differ so that the failures of one correlate; all have ended."""
    random = np.random.default_rng(20260301)
    rates = np.full((worlds, hours), rate)
    if correlation:
        spread = 1 / correlation - 1
        rates = random.beta(rate * spread, (1 - rate) * spread, (worlds, hours))
    counts = random.poisson(PER_HOUR, (worlds, hours)).ravel()
    number = np.repeat(np.arange(worlds * hours), counts)
    return pa.table(
        {
            "world": (number // hours).astype(str),
            "hour": number % hours,
            "has_failed": random.random(len(number)) < np.repeat(rates.ravel(), counts),
            "is_open": np.zeros(len(number), bool),
            "ms": np.full(len(number), 60_000),
        }
    )


@pytest.mark.parametrize("correlation", [0, 0.05, 0.2])
@pytest.mark.parametrize("rate", [0.05, 0.1])
def test_a_day_whose_failures_go_together(rate: float, correlation: float) -> None:
    assert failure_risk_coverage(world(24, rate, correlation, WORLDS), rate) >= LEAST


@pytest.mark.parametrize("correlation", [0, 0.05, 0.2])
def test_a_month_whose_failures_go_together(correlation: float) -> None:
    assert failure_risk_coverage(world(720, 0.01, correlation, 200), 0.01) >= LEAST


@pytest.mark.parametrize("minutes", [10, 30, 60, 180])
def test_fast_failures_and_slow_successes_of_a_window_that_is_not_over(minutes: int) -> None:
    """5 % fail within 5 seconds, the others complete after 15 minutes."""
    random = np.random.default_rng(20260302)
    count = WORLDS * 10 * minutes
    has_failed = random.random(count) < 0.05
    latency = np.where(has_failed, 5_000, 900_000)
    age = random.integers(0, 60_000 * minutes, count)
    given = pa.table(
        {
            "world": (np.arange(count) % WORLDS).astype(str),
            "hour": age // 3_600_000,
            "has_failed": has_failed,
            "is_open": age < latency,
            "ms": np.minimum(age, latency),
        }
    )
    assert failure_risk_coverage(given, 0.05) >= LEAST


@pytest.mark.parametrize("minutes", [60, 120, 100_000])
@pytest.mark.parametrize("size", [100, 2_000])
def test_a_p95_while_some_are_open(size: int, minutes: int) -> None:
    random = np.random.default_rng(20260303)
    count = 300 * size
    latency = 1000 * random.lognormal(6, 0.5, count)
    age = random.integers(0, 60_000 * minutes, count)
    given = pa.table(
        {
            "world": (np.arange(count) % 300).astype(str),
            "is_open": age < latency,
            "ms": np.minimum(age, latency).astype("int64"),
        }
    )
    truth = np.exp(6 + 0.5 * 1.6448536269514722)
    formula = statistic("survivals", subjects=SUBJECTS)
    assert coverage(given, formula, "p95", float(truth)) >= LEAST
