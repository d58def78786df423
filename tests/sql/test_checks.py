"""Each check finds the rows that break its rule, and only those."""

import shutil
from pathlib import Path

import duckdb
import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from tests.builds import run_checks
from tests.scenarios import Scenarios
from tests.sql.given import SCENARIOS

CHECKS = sorted(path.stem for path in Path("sql/checks").glob("*.sql"))

BROKEN = {
    "invocations_are_unique": [
        ("insert into bedrock.async_invokes from bedrock.async_invokes limit 2", 2)
    ],
    "every_invocation_is_modelled": [
        ("delete from bedrock_analytics.invocations where invocation_arn like '%/a1'", 1),
        ("insert into bedrock_analytics.invocations from bedrock_analytics.invocations", 3),
    ],
    "nothing_ends_before_it_was_submitted": [
        (
            "update bedrock_analytics.invocations set end_time = submit_time - interval 1 second "
            "where is_failed",
            1,
        )
    ],
    "terminal_invocations_have_ended": [
        ("update bedrock_analytics.invocations set end_time = null where is_terminal", 4)
    ],
    "shares_are_between_0_and_1": [
        ("update bedrock_analytics.failure_rates set failure_rate = 1.5 where cohort = 'hour'", 1),
        ("update bedrock_analytics.failure_rates set failure_rate_low = -0.1", 2),
        ("update bedrock_analytics.failure_rates set failure_rate_high = 0.1", 2),
        ("update bedrock_analytics.failure_reasons_daily set share = 2", 1),
    ],
    "marts_add_up": [
        ("delete from bedrock_analytics.failure_rate_hourly", 1),
        ("update bedrock_analytics.failure_rate_daily set invocations = 5", 1),
        ("delete from bedrock_analytics.failure_reasons_daily", 1),
        ("delete from bedrock_analytics.latency_hourly where status = 'Failed'", 1),
        ("delete from bedrock_analytics.latency_daily where status = 'Failed'", 1),
        ("update bedrock_analytics.latency_survival_daily set still_open = 1", 1),
        ("update bedrock_analytics.in_flight_hourly set submitted = 7", 1),
    ],
    "every_open_invocation_is_listed": [
        ("delete from bedrock_analytics.open_invocations where age_seconds > 600", 1),
    ],
}
BROKEN_BY_WHAT_IS_LISTED = {
    "an end time is missing": {"terminal_invocations_have_ended": 2},
    "it ends before it was submitted": {"nothing_ends_before_it_was_submitted": 1},
}
CASES = [(check, *case) for check, cases in BROKEN.items() for case in cases]


@pytest.fixture
def destination(scenarios: Scenarios, tmp_path: Path) -> DuckDBDestination:
    return DuckDBDestination(Path(shutil.copy(scenarios("some are still open"), tmp_path)))


def violations(destination: DuckDBDestination) -> dict[str, int]:
    return {check.name: check.violations for check in run_checks(destination, is_full=True)}


def test_every_check_is_broken_once_here() -> None:
    assert sorted(BROKEN) == CHECKS


@pytest.mark.parametrize(("check", "damage", "rows"), CASES)
def test_a_check_finds_the_rows_that_break_its_rule(
    check: str, damage: str, rows: int, destination: DuckDBDestination
) -> None:
    assert violations(destination) == dict.fromkeys(CHECKS, 0)
    with duckdb.connect(destination.database) as connection:
        connection.execute(damage)
    assert violations(destination)[check] == rows


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_models_pass_the_checks_whatever_was_loaded(
    scenario: str, scenarios: Scenarios, tmp_path: Path
) -> None:
    # Others may be reading the scenario, and checks keep what they found.
    copy = Path(shutil.copy(scenarios(scenario), tmp_path))
    found = violations(DuckDBDestination(copy))
    assert found == dict.fromkeys(CHECKS, 0) | BROKEN_BY_WHAT_IS_LISTED.get(scenario, {})


def test_three_examples_are_given(destination: DuckDBDestination) -> None:
    with duckdb.connect(destination.database) as connection:
        connection.execute("update bedrock_analytics.invocations set end_time = null")
    [check] = [each for each in run_checks(destination, is_full=True) if each.violations]
    assert (check.name, check.violations) == ("terminal_invocations_have_ended", 4)
    assert check.description == "An invocation that is Completed or Failed has an end_time."
    assert [[*example] for example in check.examples] == 3 * [
        ["invocation_arn", "status", "submit_time"]
    ]


def test_checks_of_ones_own_are_run_and_take_the_place_of_others(
    destination: DuckDBDestination, tmp_path: Path
) -> None:
    checks = tmp_path / "own" / "checks"
    checks.mkdir(parents=True)
    (checks / "nothing_runs_for_long.sql").write_text(
        "-- None runs for long.\nfrom bedrock_analytics.open_invocations where age_seconds > 600;\n"
    )
    (checks / "marts_add_up.sql").write_text("select 1 where false")
    found = {
        check.name: check.violations
        for check in run_checks(destination, tmp_path / "own", is_full=True)
    }
    assert found == dict.fromkeys(CHECKS, 0) | {"nothing_runs_for_long": 1}
    (checks / "wrong.sql").write_text("-- severity: warning\nselect 1\nfrom bedrock.nope")
    [broken] = [
        check for check in run_checks(destination, tmp_path / "own", is_full=True) if check.error
    ]
    assert (broken.name, broken.holds, broken.violations) == ("wrong", False, 0)
    assert broken.severity == "error"
    assert "wrong.sql, line 3: Catalog Error: " in str(broken.error)
