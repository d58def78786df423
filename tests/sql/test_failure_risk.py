"""The share that will have failed while some are open, and what failures of one hour tell."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import duckdb
import pytest

from tests.sql.given_rates import FORMULA

Given = tuple[str, int, int, int]
"""The outcome of so many that took, or have been open for, so many milliseconds; and their hour."""


def estimate(given: Sequence[Given], columns: str) -> Any:
    with duckdb.connect() as connection:
        connection.execute(
            "create table given (model_id text, outcome text, count int, ms int, hour int)"
        )
        connection.executemany("insert into given values ('one', ?, ?, ?, ?)", [*given])
        [row] = connection.sql(f"select {columns} from ({FORMULA})").fetchall()
    return row


def aalen_johansen(given: Sequence[Given]) -> float:
    """The definition, in fractions: what has not ended fails at a time as those at risk then do."""
    still, risk = Fraction(1), Fraction(0)
    times = sorted({ms for outcome, _, ms, _ in given if outcome != "open"})
    for time in times:
        at_risk = sum(count for _, count, ms, _ in given if ms >= time)
        ended = {
            outcome: sum(count for each, count, ms, _ in given if (each, ms) == (outcome, time))
            for outcome in ("failed", "completed")
        }
        risk += still * Fraction(ended["failed"], at_risk)
        still *= 1 - Fraction(sum(ended.values()), at_risk)
    return float(risk)


@pytest.mark.parametrize(
    ("given", "risk"),
    [
        ([("failed", 1, 5, 0), ("completed", 3, 9, 0)], 1 / 4),
        ([("failed", 1, 5, 0), ("completed", 3, 9, 0), ("open", 6, 9, 0)], 1 / 10),
        ([("failed", 2, 5, 0), ("completed", 9, 90, 0), ("open", 9, 50, 0)], 2 / 20),
        ([("failed", 2, 50, 0), ("completed", 8, 90, 0), ("open", 10, 5, 0)], 2 / 10),
        ([("failed", 1, 50, 0), ("completed", 1, 50, 0), ("open", 2, 50, 0)], 1 / 4),
        ([("completed", 5, 60, 0), ("open", 5, 5, 0)], 0),
        ([("failed", 5, 60, 0), ("open", 5, 5, 0)], 1),
        ([("open", 5, 5, 0)], None),
    ],
)
def test_a_risk_is_of_all_once_they_have_ended(given: list[Given], risk: float | None) -> None:
    assert estimate(given, "failure_risk") == (pytest.approx(risk),)
    if risk is not None:
        assert aalen_johansen(given) == pytest.approx(risk)


def test_a_risk_is_the_definitions_at_any_ages() -> None:
    given = [
        (("open", "failed", "completed")[number % 3], 1 + number % 4, 7 * number % 101, 0)
        for number in range(1, 200)
    ]
    [risk] = estimate(given, "failure_risk")
    assert risk == pytest.approx(aalen_johansen(given), rel=1e-12)


def test_a_risk_is_the_rate_where_nothing_is_open() -> None:
    bounds, kinds = ("", "_low", "_high"), ("rate", "risk")
    names = [f"failure_{kind}{bound}" for bound in bounds for kind in kinds]
    given = [("failed", 7, 5, hour) for hour in (1, 2)] + [("completed", 93, 60, 2)]
    found = estimate(given, ", ".join(names))
    assert found[::2] == found[1::2]


def test_open_ones_that_are_older_than_all_that_ended_widen_no_interval() -> None:
    ended: list[Given] = [("failed", 5, 10, 0), ("completed", 95, 20, 0)]
    columns = "failure_risk_low, failure_risk_high"
    assert estimate([*ended, ("open", 100, 30, 0)], columns) == estimate(
        [("failed", 5, 10, 0), ("completed", 195, 20, 0)], columns
    )


def test_young_ones_tell_nothing_yet() -> None:
    ended: list[Given] = [("failed", 5, 10, 0), ("completed", 95, 20, 0)]
    columns = "failure_risk, failure_risk_low, failure_risk_high"
    assert estimate([*ended, ("open", 100, 1, 0)], columns) == pytest.approx(
        estimate(ended, columns)
    )


@pytest.mark.parametrize(
    ("given", "effect"),
    [
        pytest.param([("failed", 3, 1, 0), ("completed", 27, 1, 0)], 1, id="one hour"),
        pytest.param(
            [(each, 5, 1, hour) for hour in range(9) for each in ("failed", "completed")],
            1,
            id="the same in each hour",
        ),
        pytest.param(
            [("failed", 10, 1, 0)] + [("completed", 10, 1, hour) for hour in range(1, 24)],
            10,
            id="as if each hour were one invocation",
        ),
        pytest.param(
            [("failed", 1, 1, 0)] + [("completed", 1, 1, hour) for hour in range(1, 24)],
            1,
            id="one in each hour",
        ),
        # 12 hours with 2 failures of 10, 12 without: p = 0.1, the hours vary by 24 / 23 around it.
        pytest.param(
            [("failed", 2 * (hour % 2), 1, hour) for hour in range(24)]
            + [("completed", 10 - 2 * (hour % 2), 1, hour) for hour in range(24)],
            1 + (24 / 23 / 0.9 - 1) * (1 + 3 / 12 + 4 / 144),
            id="every other hour",
        ),
    ],
)
def test_failures_that_come_together_tell_less(given: list[Given], effect: float) -> None:
    given = [each for each in given if each[1]]
    assert estimate(given, "design_effect") == (pytest.approx(effect),)
