"""No row is loaded under a scope that its ARN contradicts, and people are told of each."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.load import RunResult, load
from bedrock_async_invokes.columns import EXTRACT_RUNS
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, FORMATS, NOW, REGION
from tests.copies import query

OTHER = "999988887777"
HOUR = timedelta(hours=1)


def put_foreign(
    bedrock: Control, at: datetime, name: str = "x", account: str = OTHER, region: str = REGION
) -> str:
    """An open invocation in the listing of the caller's scope that is of another one."""
    arn = f"arn:aws:bedrock:{region}:{account}:async-invoke/{name}"
    summary = {
        "invocationArn": arn,
        "modelArn": f"arn:aws:bedrock:{region}::foundation-model/luma.ray-v2:0",
        "status": "InProgress",
        "submitTime": at.isoformat(),
    }
    bedrock.put_raw(ACCOUNT, REGION, at, summary)
    return arn


def populate(bedrock: Control, count: int = 300) -> None:
    bedrock.populate(ACCOUNT, REGION, count, NOW - timedelta(days=3), NOW)


def run(destination: Destination | Path, **options: Any) -> RunResult:
    if isinstance(destination, Path):
        destination = DuckDBDestination(destination)
    return load(destination, options, slice_rows=2_500)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def stored_arns(destination: Destination) -> set[str]:
    with destination.connection() as connection:
        arns = connection.sql("select invocation_arn from bedrock.async_invokes").fetchall()
    return {arn for (arn,) in arns}


def own_arns(bedrock: Control) -> set[str]:
    arns = {summary["invocationArn"] for summary in bedrock.listing(ACCOUNT, REGION)}
    return {arn for arn in arns if f":{REGION}:{ACCOUNT}:" in arn}


@pytest.mark.parametrize("kind", ["duckdb", "parquet", *FORMATS])
@pytest.mark.parametrize("foreign", [{"account": OTHER}, {"region": "eu-west-1"}], ids=str)
def test_foreign_rows_are_kept_out_and_the_rest_is_loaded(
    bedrock: Control, database: Path, tmp_path: Path, kind: Any, foreign: dict[str, str]
) -> None:
    lake = LakeDestination(str(tmp_path / "lake"), kind)
    destination = DuckDBDestination(database) if kind == "duckdb" else lake
    populate(bedrock, 2_500)
    first = put_foreign(bedrock, NOW - 30 * HOUR, "first", **foreign)
    put_foreign(bedrock, NOW - HOUR, "second", **foreign)
    result = run(destination)
    [scope] = result.scopes
    assert (result.exit_code, scope.outcome, scope.error) == (0, "ok", None)
    assert (scope.quarantined, scope.rows_new) == (2, 2_500)
    assert scope.quarantine_reason == f"{first} is in the listing of {ACCOUNT}/{REGION}."
    assert stored_arns(destination) == own_arns(bedrock)
    with destination.connection() as connection:
        told = "select quarantined, quarantine_reason from bedrock.extract_runs"
        assert connection.sql(told).fetchall() == [(2, scope.quarantine_reason)]


def test_a_foreign_row_is_not_followed_although_it_is_open(
    bedrock: Control, database: Path
) -> None:
    for number in range(3):
        ended = timedelta(minutes=1)
        bedrock.submit(ACCOUNT, REGION, submit_time=NOW - number * HOUR, duration=ended)
    put_foreign(bedrock, NOW - 2.5 * HOUR)
    put_foreign(bedrock, NOW, "newest")
    bedrock.advance(HOUR)
    [scope] = run(database).scopes
    assert (scope.open_invocations, scope.submitted_through) == (0, NOW)
    [again] = run(database).scopes
    assert (again.calls, again.rows_new, again.vanished, again.quarantined) == (2, 0, 0, 1)


@pytest.mark.slow
def test_a_page_of_nothing_else_fails_the_scope_and_leaves_its_progress(
    bedrock: Control, database: Path
) -> None:
    populate(bedrock)
    [before] = run(database).scopes
    bedrock.advance(timedelta(days=1))
    for number in range(1_200):
        at = NOW + HOUR + number * timedelta(seconds=1)
        newest = put_foreign(bedrock, at, f"{number:05}")
    result = run(database)
    [scope] = result.scopes
    assert (result.exit_code, scope.outcome, scope.submitted_through) == (
        1,
        "failed",
        before.submitted_through,
    )
    assert (scope.quarantined, scope.rows_new, scope.rows_changed) == (1_000, 0, 0)
    assert scope.quarantine_reason == f"{newest} is in the listing of {ACCOUNT}/{REGION}."
    assert "these credentials belong to another account or region" in str(scope.error)
    assert stored_arns(DuckDBDestination(database)) == own_arns(bedrock)


def test_of_two_accounts_neither_is_chosen_where_nothing_tells_the_callers(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    populate(bedrock)
    put_foreign(bedrock, NOW - HOUR)
    result = run(database)
    assert result.exit_code == 1
    assert f"of several accounts ({ACCOUNT}, {OTHER})" in str(result.scopes[0].error)
    assert query(database, "from bedrock.async_invokes") == []


@pytest.mark.slow
def test_people_logs_metrics_and_status_tell_of_it(bedrock: Control, database: Path) -> None:
    populate(bedrock)
    arn = put_foreign(bedrock, NOW - HOUR)
    reason = f"{arn} is in the listing of {ACCOUNT}/{REGION}."
    sentence = f"1 row is quarantined as of another account or region: {reason}"
    metrics = database.with_name("bedrock.prom")
    told = invoke("run", f"--database={database}", f"--metrics={metrics}")
    assert told.exit_code == 0
    assert told.stderr == f"{ACCOUNT}/{REGION}: {sentence}\n"
    counted = [
        line.rpartition(" ")[2]
        for line in metrics.read_text().splitlines()
        if "_quarantined_invocations{" in line
    ]
    assert counted == ["1.0", "1.0"]
    status = invoke("status", f"--database={database}").stdout
    assert "Yes: the last run of 1 scope succeeded; 1 foreign row quarantined.\n" in status
    assert f"{ACCOUNT}/{REGION}: {sentence}\n" in status
    whole = json.loads(invoke("status", f"--database={database}", "--json").stdout)
    assert whole["whole"] == {"scopes": 1, "failed": 0, "unread": 0, "quarantined": 1}
    assert [(row["quarantined"], row["quarantine_reason"]) for row in whole["scopes"]] == [
        (1, reason)
    ]


def test_a_log_and_the_document_tell_of_it(bedrock: Control, database: Path) -> None:
    populate(bedrock)
    put_foreign(bedrock, NOW - HOUR)
    told = invoke("run", f"--database={database}", "--log-format=json", "--json", "--no-models")
    [scope] = json.loads(told.stdout)["scopes"]
    events = {event["event"]: event for event in map(json.loads, told.stderr.splitlines())}
    finished = events["scope_finished"]
    assert (finished["level"], finished["outcome"]) == ("warning", "ok")
    for one in (scope, finished):
        assert (one["quarantined"], one["quarantine_reason"][:3]) == (1, "arn")
    assert events["run_finished"]["quarantined"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["duckdb", "parquet"])
def test_a_copy_that_an_older_version_made_is_read_and_gets_the_columns(
    bedrock: Control, database: Path, tmp_path: Path, kind: str
) -> None:
    populate(bedrock)
    lake = LakeDestination(str(tmp_path / "lake"), "parquet")
    destination = DuckDBDestination(database) if kind == "duckdb" else lake
    run_older(destination)
    place = f"--database={database}" if kind == "duckdb" else f"--lake={lake.url}"
    for command in ("models", "status"):
        assert invoke(command, place).exit_code == 0
    put_foreign(bedrock, NOW - HOUR)
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW, duration=HOUR)
    assert invoke("run", place).exit_code == 0
    with destination.connection() as connection:
        told = "select quarantined from bedrock.extract_runs order by all nulls first"
        assert connection.sql(told).fetchall() == [(None,), (1,)]


def run_older(destination: Destination) -> None:
    """A run of the version that had neither a quarantine nor its version."""
    newer = ("quarantined", "quarantine_reason", "version")
    columns = tuple(each for each in EXTRACT_RUNS.columns if each.name not in newer)
    with pytest.MonkeyPatch.context() as patch:
        older = replace(EXTRACT_RUNS, columns=columns)
        for module in ("run", "source"):
            patch.setattr(f"bedrock_async_invokes.{module}.EXTRACT_RUNS", older)
        run(destination)
