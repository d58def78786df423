"""Intervals at 95 % have the truth in them at least so often as is said, in simulated worlds."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from bedrock_async_etl.models.statistics import statistic
from tests.sql.given_rates import FORMULA
from tests.worlds import hourly_rates

pytestmark = pytest.mark.integration

LEAST = 0.92
"""Share of intervals that have the truth in them."""
WORLDS = 1_000
PER_HOUR = 30
SUBJECTS = """
select
    'given' as cohort, null as account_id, null as region, model_id, null as submit_date,
    if(outcome = 'open', null, [ms]) as latencies_ms, if(outcome = 'open', ms, null) as age_ms,
    outcome = 'open' as is_open
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


def world(hours: int, rate: float, correlation: float, worlds: int) -> pa.Table:
    """Hours whose own rates differ so that the failures of one correlate; all have ended."""
    random = np.random.default_rng(20260301)
    rates = hourly_rates(random, rate, correlation, (worlds, hours))
    counts = random.poisson(PER_HOUR, (worlds, hours)).ravel()
    number = np.repeat(np.arange(worlds * hours), counts)
    has_failed = random.random(len(number)) < np.repeat(rates.ravel(), counts)
    return pa.table(
        {
            "model_id": (number // hours).astype(str),
            "outcome": np.where(has_failed, "failed", "completed"),
            "count": np.ones(len(number), int),
            "ms": np.full(len(number), 60_000),
            "hour": number % hours,
        }
    )


@pytest.mark.parametrize("correlation", [0, 0.05, 0.2])
@pytest.mark.parametrize("rate", [0.05, 0.1])
def test_a_day_whose_failures_go_together(rate: float, correlation: float) -> None:
    assert coverage(world(24, rate, correlation, WORLDS), FORMULA, "failure_risk", rate) >= LEAST


@pytest.mark.parametrize("correlation", [0, 0.05, 0.2])
def test_a_month_whose_failures_go_together(correlation: float) -> None:
    assert coverage(world(720, 0.01, correlation, 200), FORMULA, "failure_risk", 0.01) >= LEAST


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
            "model_id": (np.arange(count) % WORLDS).astype(str),
            "outcome": np.where(age < latency, "open", np.where(has_failed, "failed", "completed")),
            "count": np.ones(count, int),
            "ms": np.minimum(age, latency),
            "hour": age // 3_600_000,
        }
    )
    assert coverage(given, FORMULA, "failure_risk", 0.05) >= LEAST


@pytest.mark.parametrize("minutes", [60, 120, 100_000])
@pytest.mark.parametrize("size", [100, 2_000])
def test_a_p95_while_some_are_open(size: int, minutes: int) -> None:
    random = np.random.default_rng(20260303)
    count = 300 * size
    latency = 1000 * random.lognormal(6, 0.5, count)
    age = random.integers(0, 60_000 * minutes, count)
    given = pa.table(
        {
            "model_id": (np.arange(count) % 300).astype(str),
            "outcome": np.where(age < latency, "open", "completed"),
            "ms": np.minimum(age, latency).astype("int64"),
        }
    )
    truth = np.exp(6 + 0.5 * 1.6448536269514722)
    formula = statistic("survivals", subjects=SUBJECTS)
    assert coverage(given, formula, "p95", float(truth)) >= LEAST
