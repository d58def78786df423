"""Intervals and tests at 95 % are right at least so often as is said, in simulated worlds."""

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
COUNTS = """
select
    model_id, submit_date, recent,
    count(*) filter (where not is_failed) as completed, count(*) filter (where is_failed) as failed
from given
group by all
"""
DURATIONS = """
select
    model_id, submit_date, recent, cast(floor(100 * ln(1 + ms)) as bigint) as bucket,
    count(*) as invocations, count(*) as completed
from given
where not is_failed
group by all
"""
SUBJECTS = """
select
    ['given'] as cohorts, null as account_id, null as region, model_id, null as submit_date,
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


def changes(
    dates: int,
    per_date: int,
    *,
    spread: float,
    recent_rate: float = 0.05,
    recent_latency: float = 1,
    worlds: int = WORLDS,
) -> dict[str, float]:
    """How often worlds have each `change` in two periods of so many dates, before at a rate of 5 %.

    `spread` is the standard deviation of the logarithms of the odds of failing and of the latency
    between dates.
    """
    random = np.random.default_rng(20260304)
    shape = (worlds, 2, dates)
    rates = np.array([0.05, recent_rate])[:, None]
    odds = rates / (1 - rates) * np.exp(random.normal(0, spread, shape))
    medians = np.array([1, recent_latency])[:, None] * np.exp(random.normal(6, spread, shape))
    counts = random.poisson(per_date, shape).ravel()
    world, recent, date = (np.repeat(each.ravel(), counts) for each in np.indices(shape))
    failing = np.repeat((odds / (1 + odds)).ravel(), counts)
    median = np.repeat(medians.ravel(), counts)
    given = pa.table(
        {
            "model_id": world.astype(str),
            "recent": recent,
            "submit_date": date,
            "is_failed": random.random(len(world)) < failing,
            "ms": 1000 * random.lognormal(0, 0.5, len(world)) * median,
        }
    )
    with duckdb.connect() as connection:
        connection.register("given", given)
        connection.execute("create schema bedrock_analytics")
        connection.execute(
            "create table bedrock_analytics.window_starts as select date '2026-03-05' as end_date"
        )
        formula = statistic("recent_changes", counts=COUNTS, durations=DURATIONS)
        found = connection.sql(f"select change, count(*) from ({formula}) group by all").fetchall()
    return {change: count / worlds for change, count in found}


@pytest.mark.parametrize("spread", [0, 0.3])
@pytest.mark.parametrize(("dates", "per_date"), [(30, 30), (30, 2), (5, 20), (2, 30)])
def test_a_model_that_does_not_change_is_seldom_said_to(
    dates: int, per_date: int, spread: float
) -> None:
    assert changes(dates, per_date, spread=spread).get("same", 0) >= 0.95


@pytest.mark.parametrize(
    ("verdict", "rate", "latency"),
    [("worse", 0.12, 1), ("better", 0.015, 1), ("worse", 0.05, 1.2), ("better", 0.05, 0.8)],
)
def test_a_change_is_found(verdict: str, rate: float, latency: float) -> None:
    found = changes(30, 30, spread=0.1, recent_rate=rate, recent_latency=latency, worlds=200)
    assert found[verdict] >= 0.95
