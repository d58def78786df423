"""`verify` finds what is missing or different, says which columns, and changes nothing."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import RunResult, load, verification
from bedrock_async_etl.load.verification import Verification, repair, verify
from bedrock_async_invokes.columns import ScopeReport
from bedrock_async_invokes.run import Observer
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, FORMATS, NOW, REGION
from tests.copies import CopyKind, assert_exact_copy, destination_of, stored_rows
from tests.drift import DRIFTS, tamper

ROWS = 1_500
DAY = timedelta(days=1)
COLUMNS = {
    "changed_after_its_end": ["failure_message", "status"],
    "open_after_its_end": ["end_time", "failure_message", "status"],
    "falsified": ["status"],
}
"""Columns that differ; a failure message only where the row had one."""


@pytest.fixture(params=["duckdb", "parquet", *FORMATS])
def destination(request: pytest.FixtureRequest, bedrock: Control, database: Path) -> Destination:
    kind: CopyKind = request.param
    return loaded(bedrock, destination_of(kind, database))


@pytest.fixture
def copy(bedrock: Control, database: Path) -> DuckDBDestination:
    destination = DuckDBDestination(database)
    loaded(bedrock, destination)
    return destination


def loaded(bedrock: Control, destination: Destination) -> Destination:
    bedrock.populate(ACCOUNT, REGION, ROWS, NOW - 20 * DAY, NOW - DAY, 1, never_ending_rate=0)
    load(destination)
    return destination


def arns(bedrock: Control) -> list[str]:
    return [row["invocationArn"] for row in bedrock.listing(ACCOUNT, REGION)]


def counts(found: Verification) -> dict[str, int]:
    names = ("listed", "equal", "missing", "different", "due", "gone", "expired")
    return {name: count for name in names if (count := found.total(name))}


def run_json(*arguments: str) -> tuple[dict[str, Any], int]:
    result = CliRunner().invoke(app, ["verify", "--json", *arguments])
    return json.loads(result.stdout), result.exit_code


def test_an_exact_copy_is_equal(bedrock: Control, destination: Destination) -> None:
    before = sorted(stored_rows(destination), key=repr)
    found = verify(destination)
    assert counts(found) == {"listed": ROWS, "equal": ROWS}
    assert (found.exit_code, found.drift, found.differences, found.drifted) == (0, 0, [], {})
    assert sorted(stored_rows(destination), key=repr) == before


def test_the_working_directory_is_left_to_runs(destination: Destination) -> None:
    shutil.rmtree(destination.working_directory)
    assert verify(destination).exit_code == 0
    assert not list(destination.working_directory.rglob("state.json"))


@pytest.mark.slow
def test_each_kind_of_drift_is_found_and_repaired(
    bedrock: Control, destination: Destination
) -> None:
    for number, (plant, _) in enumerate(DRIFTS.values()):
        plant(bedrock, destination, arns(bedrock)[200 * number + 10])
    before = sorted(stored_rows(destination), key=repr)
    found = verify(destination)
    expected = [found_as for _, found_as in DRIFTS.values()]
    assert sorted(each.state for each in found.differences) == sorted(expected)
    columns = [each.columns for each in found.differences if each.state == "different"]
    for differing in COLUMNS.values():
        assert any(set(each) <= set(differing) and "status" in each for each in columns)
    assert found.exit_code == 2
    assert sorted(stored_rows(destination), key=repr) == before
    repaired = repair(destination, found)
    assert sum(scope.rows_healed for scope in repaired.scopes) == len(DRIFTS)
    assert_exact_copy(destination, bedrock)
    assert verify(destination).exit_code == 0


@pytest.mark.slow
def test_what_the_next_run_loads_is_due(bedrock: Control, copy: DuckDBDestination) -> None:
    """New rows, and open ones that end; not the newest row, if it is gone from the table."""
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW - 2 * DAY, duration=2 * DAY + DAY)
    load(copy, {"since": NOW - 3 * DAY})
    bedrock.advance(2 * DAY)
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW + DAY)
    assert counts(verify(copy)) == {"listed": ROWS + 2, "equal": ROWS, "due": 2}
    assert load(copy).rows_loaded == 2
    assert counts(verify(copy)) == {"listed": ROWS + 2, "equal": ROWS + 2}
    plant, _ = DRIFTS["deleted"]
    plant(bedrock, copy, arns(bedrock)[-1])
    assert counts(verify(copy)) == {"listed": ROWS + 2, "equal": ROWS + 1, "missing": 1}


def test_a_copy_that_was_never_loaded_is_due(bedrock: Control, copy: DuckDBDestination) -> None:
    bedrock.populate(ACCOUNT, "us-west-2", 10, NOW - DAY, NOW)
    found = verify(copy, {"regions": [REGION, "us-west-2"]})
    assert counts(found) == {"listed": ROWS + 10, "equal": ROWS, "due": 10}


def test_what_is_listed_no_more_is_only_here(bedrock: Control, copy: DuckDBDestination) -> None:
    every = arns(bedrock)
    for arn in (every[0], every[1], every[700]):
        bedrock.remove(ACCOUNT, REGION, arn)
    found = verify(copy)
    assert counts(found) == {"listed": ROWS - 3, "equal": ROWS - 3, "gone": 1, "expired": 2}
    assert found.exit_code == 0


@pytest.mark.slow
def test_a_range_leaves_the_rest_alone(bedrock: Control, copy: DuckDBDestination) -> None:
    plant, _ = DRIFTS["deleted"]
    rows = bedrock.listing(ACCOUNT, REGION)
    since, until = rows[200]["submitTime"], rows[300]["submitTime"]
    plant(bedrock, copy, arns(bedrock)[10])
    assert counts(verify(copy, {"since": since})) == {"listed": ROWS - 200, "equal": ROWS - 200}
    assert counts(verify(copy, {"since": since, "until": until})) == {"listed": 100, "equal": 100}
    assert verify(copy, {"until": until}).total("missing") == 1


def test_a_row_that_is_stored_twice_differs(bedrock: Control, copy: DuckDBDestination) -> None:
    tamper(copy, lambda rows: pa.concat_tables([rows, rows.slice(10, 1)]))
    found = verify(copy)
    assert [each.columns for each in found.differences] == [["stored twice"]]
    repair(copy, found)
    assert_exact_copy(copy, bedrock)


def test_a_scope_that_cannot_be_read_is_told(bedrock: Control, copy: DuckDBDestination) -> None:
    bedrock.faults(region="eu-west-1", access_denied=True)
    document, exit_code = run_json("--database", str(copy.database), "--region", "eu-west-1")
    assert (exit_code, document["exit_code"]) == (3, 3)
    assert "bedrock:ListAsyncInvokes" in document["scopes"][0]["error"]
    both = ["--database", str(copy.database), "--region", "eu-west-1", "--region", REGION]
    document, exit_code = run_json(*both)
    assert (exit_code, document["rows"]["equal"]) == (3, ROWS)
    *_, verdict = CliRunner().invoke(app, ["verify", *both]).stdout.splitlines()
    assert verdict.endswith(" equal: an exact copy of 1 of 2 scopes.")


def test_a_scope_that_fails_after_its_first_rows_is_left_out(
    bedrock: Control, copy: DuckDBDestination
) -> None:
    class Denying(Observer):
        def scope_read(self, report: ScopeReport, share: float) -> None:
            if report.region == "us-west-2" and report.outcome is None:
                bedrock.faults(region="us-west-2", access_denied=True)

    bedrock.populate(ACCOUNT, "us-west-2", 12_000, NOW - 20 * DAY, NOW - DAY, 1)
    options = {"regions": [REGION, "us-west-2"], "concurrency": 1}
    load(copy, options)
    plant, _ = DRIFTS["deleted"]
    plant(bedrock, copy, bedrock.listing(ACCOUNT, "us-west-2")[0]["invocationArn"])
    found = verify(copy, options, observer=Denying())
    [failed] = found.failed
    assert (failed.region, failed.listed, failed.equal) == ("us-west-2", 0, 0)
    assert "bedrock:ListAsyncInvokes" in str(failed.error)
    assert counts(found) == {"listed": ROWS, "equal": ROWS}
    assert (found.exit_code, found.differences, found.drifted) == (3, [], {})


def test_a_range_may_reach_beyond_the_times_of_a_database(
    bedrock: Control, copy: DuckDBDestination
) -> None:
    for options in (
        {"since": "0001-01-01T00:00:00+14:00"},
        {"until": "9999-12-31T23:59:59-05:00"},
    ):
        assert counts(verify(copy, options)) == {"listed": ROWS, "equal": ROWS}
        assert load(copy, options).rows_loaded == 0


@pytest.mark.slow
def test_the_command_names_each_row_and_repairs_it(
    bedrock: Control, copy: DuckDBDestination
) -> None:
    plant, _ = DRIFTS["falsified"]
    arn = arns(bedrock)[10]
    plant(bedrock, copy, arn)
    command = ["verify", "--database", str(copy.database)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    *_, named, arn_line, verdict, remedy = done.stdout.splitlines()
    assert named.startswith("different, submitted 2026-03-")
    assert named.endswith(": status")
    assert arn_line.strip() == arn
    assert verdict == (
        f"{ROWS:,} listed, {ROWS:,} in the table, {ROWS - 1:,} equal: NOT an exact copy."
    )
    assert remedy == "Next: load what is missing or different with `verify --repair`."
    document, exit_code = run_json("--database", str(copy.database))
    assert exit_code == 2
    assert document["columns"] == {"status": 1}
    assert [each["invocation_arn"] for each in document["differences"]] == [arn]
    done = CliRunner().invoke(app, [*command, "--repair"])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "Repaired 1 of 1 row."
    assert CliRunner().invoke(app, command).exit_code == 0


@pytest.mark.parametrize("output", [(), ("--json",)], ids=["table", "json"])
def test_a_repair_that_fails_says_why(
    output: tuple[str, ...],
    bedrock: Control,
    copy: DuckDBDestination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied(*arguments: Any, **named: Any) -> RunResult:
        bedrock.faults(access_denied=True)
        return repair(*arguments, **named)

    monkeypatch.setattr(verification, "repair", denied)
    plant, _ = DRIFTS["deleted"]
    plant(bedrock, copy, arns(bedrock)[10])
    command = ["verify", "--repair", "--database", str(copy.database), *output]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert "AccessDenied" in done.stderr


@pytest.mark.slow
def test_a_repair_is_not_given_up_where_calls_are_throttled(
    bedrock: Control, copy: DuckDBDestination
) -> None:
    plant, _ = DRIFTS["deleted"]
    for at in (10, 700, 1_400):
        plant(bedrock, copy, arns(bedrock)[at])
    found = verify(copy)
    bedrock.faults(throttle_per_second=5)
    [scope] = repair(copy, found).scopes
    assert scope.throttled > 0
    assert scope.rows_healed == 3


@pytest.mark.slow
def test_a_repair_of_few_rows_takes_few_calls(bedrock: Control, copy: DuckDBDestination) -> None:
    plant, _ = DRIFTS["deleted"]
    for at in (10, 20, 1_400):
        plant(bedrock, copy, arns(bedrock)[at])
    found = verify(copy)
    assert [len(windows) for windows in found.drifted.values()] == [2]
    [scope] = repair(copy, found).scopes
    assert (scope.calls, scope.rows_healed, scope.rows_scrubbed) == (3, 3, 12)
