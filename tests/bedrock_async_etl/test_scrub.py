"""The scrub: history is read again bit by bit, and what differs is healed and counted."""

import shutil
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.lake import session
from bedrock_async_etl.load import RunResult, load
from bedrock_async_invokes.columns import ScopeReport
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, FORMATS, NOW, REGION
from tests.copies import CopyKind, assert_exact_copy, destination_of
from tests.drift import DRIFTS, list_anew, tamper

pytestmark = pytest.mark.slow

ROWS = 3_500
RUNS = 5
"""Runs of one call in which 3,500 rows are read again, and the newest of them at the start."""
DAY = timedelta(days=1)


def scope_of(result: RunResult) -> ScopeReport:
    [scope] = result.scopes
    assert scope.outcome == "ok"
    return scope


def run(destination: Destination, **options: object) -> ScopeReport:
    return scope_of(load(destination, options))


@pytest.fixture(params=["duckdb", "parquet", *FORMATS])
def destination(request: pytest.FixtureRequest, bedrock: Control, database: Path) -> Destination:
    kind: CopyKind = request.param
    bedrock.populate(ACCOUNT, REGION, ROWS, NOW - 20 * DAY, NOW - DAY, 1, never_ending_rate=0)
    destination = destination_of(kind, database)
    run(destination)
    return destination


def test_drift_is_healed_within_a_pass(bedrock: Control, destination: Destination) -> None:
    """One of each kind, in different pages."""
    arns = [row["invocationArn"] for row in bedrock.listing(ACCOUNT, REGION)]
    for number, (plant, _) in enumerate(DRIFTS.values()):
        plant(bedrock, destination, arns[500 * number + 10])
    scopes = [run(destination) for _ in range(RUNS)]
    assert_exact_copy(destination, bedrock)
    assert sum(scope.rows_healed for scope in scopes) == len(DRIFTS)
    missing = [found_as for _, found_as in DRIFTS.values() if found_as == "missing"]
    assert sum(scope.rows_late for scope in scopes) == len(missing)
    assert sum(scope.rows_new + scope.rows_changed for scope in scopes) == 0
    assert run(destination, scrub_calls=9).rows_healed == 0


@pytest.mark.parametrize("few", [0, 1])
@pytest.mark.parametrize("kind", ["parquet", *FORMATS])
def test_days_that_are_looked_at_often_are_copied_from_a_lake(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch, kind: CopyKind, few: int
) -> None:
    """Rows of two days in four readings and more."""
    monkeypatch.setattr(session, "FEW_LOOKUPS", few)
    bedrock.populate(ACCOUNT, REGION, 9_000, NOW - 2 * DAY, NOW - DAY, 1, never_ending_rate=0)
    lake = destination_of(kind, database)
    run(lake)
    arns = [row["invocationArn"] for row in bedrock.listing(ACCOUNT, REGION)]
    for number, (plant, _) in enumerate(DRIFTS.values()):
        plant(bedrock, lake, arns[1_500 * number + 10])
    again = run(lake, since=NOW - 6 * DAY)
    assert again.rows_new + again.rows_changed == len(DRIFTS)
    assert_exact_copy(lake, bedrock)


@pytest.fixture
def database_copy(bedrock: Control, database: Path) -> DuckDBDestination:
    bedrock.populate(ACCOUNT, REGION, ROWS, NOW - 20 * DAY, NOW - DAY, 1, never_ending_rate=0)
    destination = DuckDBDestination(database)
    run(destination)
    return destination


def test_each_row_is_read_once_in_a_pass_and_nothing_is_written(
    bedrock: Control, database_copy: DuckDBDestination
) -> None:
    """Also by runs that find the working directory gone; each makes one call more."""
    scopes = []
    for _ in range(4):
        scopes.append(run(database_copy))
        shutil.rmtree(database_copy.working_directory)
    assert [scope.calls for scope in scopes] == [2, 2, 2, 2]
    assert [scope.rows_scrubbed for scope in scopes[:3]] == [999, 999, 999]
    assert sum(scope.rows_scrubbed for scope in scopes) < ROWS
    assert {scope.rows_new + scope.rows_changed + scope.rows_healed for scope in scopes} == {0}
    through = [scope.scrubbed_through for scope in scopes]
    assert through == sorted(through, key=str)


def test_several_calls_read_more(bedrock: Control, database_copy: DuckDBDestination) -> None:
    scope = run(database_copy, scrub_calls=3)
    assert (scope.calls, scope.rows_scrubbed) == (4, 3 * 1_000 - 1)
    assert run(database_copy, scrub_calls=0).calls == 1


def test_the_newest_rows_are_compared_when_a_pass_begins(
    bedrock: Control, database_copy: DuckDBDestination
) -> None:
    newest = bedrock.listing(ACCOUNT, REGION)[-1]["invocationArn"]
    plant, _ = DRIFTS["deleted"]
    plant(bedrock, database_copy, newest)
    assert run(database_copy).rows_healed == 1
    assert_exact_copy(database_copy, bedrock)


def test_a_row_that_is_stored_twice_is_healed(
    bedrock: Control, database_copy: DuckDBDestination
) -> None:
    tamper(database_copy, lambda rows: pa.concat_tables([rows, rows.slice(10, 1)]))
    assert sum(run(database_copy, scrub_calls=9).rows_healed for _ in range(2)) == 1
    assert_exact_copy(database_copy, bedrock)


def test_an_open_row_is_healed_although_progress_knows_it(
    bedrock: Control, database_copy: DuckDBDestination
) -> None:
    arn = bedrock.submit(ACCOUNT, REGION, submit_time=NOW - 10 * DAY)
    run(database_copy, since=NOW - 11 * DAY)
    for name in ("deleted", "falsified"):
        plant, _ = DRIFTS[name]
        plant(bedrock, database_copy, arn)
        assert sum(run(database_copy, scrub_calls=9).rows_healed for _ in range(2)) == 1
        assert_exact_copy(database_copy, bedrock)


def test_an_open_one_that_changes_while_it_is_scrubbed_is_loaded_once(
    bedrock: Control, database_copy: DuckDBDestination
) -> None:
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW - 10 * DAY, duration=10 * DAY + DAY)
    run(database_copy, since=NOW - 11 * DAY)
    bedrock.advance(2 * DAY)
    scope = run(database_copy, scrub_calls=9)
    assert (scope.rows_changed, scope.rows_healed) == (1, 0)
    assert scope.rows_scrubbed > ROWS // 2
    assert_exact_copy(database_copy, bedrock)


def test_what_comes_back_after_it_was_forgiven_is_open_again(
    bedrock: Control, database_copy: DuckDBDestination
) -> None:
    arn = bedrock.submit(ACCOUNT, REGION, submit_time=NOW - 10 * DAY)
    run(database_copy, since=NOW - 11 * DAY)
    [summary] = [row for row in bedrock.listing(ACCOUNT, REGION) if row["invocationArn"] == arn]
    bedrock.remove(ACCOUNT, REGION, arn)
    assert run(database_copy).vanished == 1
    bedrock.advance(2 * DAY)
    assert run(database_copy).open_invocations == 0
    bedrock.put_raw(ACCOUNT, REGION, NOW - 10 * DAY, summary)
    healed = [run(database_copy, scrub_calls=9) for _ in range(2)]
    assert sum(scope.rows_healed for scope in healed) == 1
    assert healed[-1].open_invocations == 1
    list_anew(bedrock, arn, status="Failed", failureMessage="At last.")
    assert run(database_copy, scrub_calls=0).rows_changed == 1
    assert_exact_copy(database_copy, bedrock)


def test_how_late_a_row_was_listed(bedrock: Control, database_copy: DuckDBDestination) -> None:
    plant, _ = DRIFTS["listed_late"]
    plant(bedrock, database_copy, "")
    scope = run(database_copy, scrub_calls=9)
    assert scope.rows_late == 1
    assert scope.late_seconds == pytest.approx(5 * DAY.total_seconds(), abs=5)


def test_a_scope_that_is_throttled_is_not_scrubbed(
    bedrock: Control, database_copy: DuckDBDestination
) -> None:
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW - 10 * DAY)
    run(database_copy, since=NOW - 11 * DAY)
    bedrock.faults(throttle_per_second=5)
    scope = run(database_copy)
    assert scope.throttled > 0
    assert (scope.rows_scrubbed, scope.scrubbed_through) == (0, None)
    bedrock.clear_faults()
    assert run(database_copy).rows_scrubbed == 999


def test_a_range_is_not_scrubbed(bedrock: Control, database_copy: DuckDBDestination) -> None:
    assert run(database_copy, since=NOW - 2 * DAY, until=NOW).rows_scrubbed == 0
