"""A cohort is settled once nothing of it is open, and all of it was read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_invokes.columns import EXTRACT_RUNS, VANISHED_INVOKES
from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.records import to_table
from tests.builds import build_only
from tests.copies import query
from tests.sql.given import store

SCOPE = ("111122223333", "us-east-1")
HOUR = datetime(2026, 3, 2, 11, tzinfo=UTC)
MIDNIGHT = HOUR.replace(hour=0) + timedelta(days=1)


def good_run(at: datetime, lag: timedelta | None = timedelta(minutes=5)) -> dict[str, Any]:
    """A run that began and ended then; one without a lag is an older version's."""
    return {
        "run_id": str(at),
        "account_id": SCOPE[0],
        "region": SCOPE[1],
        "started_at": at,
        "finished_at": at + timedelta(minutes=1),
        "outcome": "ok",
        "settled_through": lag and at - lag,
    }


def failed_run(at: datetime) -> dict[str, Any]:
    return good_run(at, None) | {"outcome": "failed", "error": "Throttled."}


def settled(folder: Path, runs: list[dict[str, Any]], status: str = "Completed") -> list[bool]:
    """Whether the hour and the date of an invocation are, after some runs."""
    summary = {
        "invocationArn": "arn:aws:bedrock:us-east-1:111122223333:async-invoke/1",
        "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/luma.ray-v2:0",
        "status": status,
        "submitTime": f"{HOUR + timedelta(minutes=10):%FT%TZ}",
        "endTime": f"{HOUR + timedelta(minutes=12):%FT%TZ}",
    }
    if status == "InProgress":
        del summary["endTime"]
    database = store(
        folder / "copy.duckdb",
        async_invokes=to_table(page_of([summary]), HOUR + timedelta(minutes=50)),
        extract_runs=pa.Table.from_pylist(runs, EXTRACT_RUNS.schema),
        vanished_invokes=VANISHED_INVOKES.schema.empty_table(),
    )
    build_only(DuckDBDestination(database), "failure_rate_hourly", "failure_rate_daily")
    [hour] = query(database, "select is_settled from bedrock_analytics.failure_rate_hourly")
    [date] = query(database, "select is_settled from bedrock_analytics.failure_rate_daily")
    return [*hour, *date]


@pytest.mark.parametrize(
    ("last", "hour", "date"),
    [
        (HOUR + timedelta(minutes=50), False, False),
        (HOUR + timedelta(minutes=64), False, False),
        (HOUR + timedelta(minutes=65), True, False),
        (MIDNIGHT + timedelta(minutes=4), True, False),
        (MIDNIGHT + timedelta(minutes=5), True, True),
    ],
)
@pytest.mark.parametrize("lag", [timedelta(minutes=5), None])
def test_a_cohort_is_settled_once_it_was_read_past_its_end_and_the_lag(
    lag: timedelta | None, last: datetime, hour: bool, date: bool, tmp_path: Path
) -> None:
    """Runs that fail read nothing, however many there are."""
    later = [failed_run(last + timedelta(hours=hours)) for hours in range(1, 49)]
    assert settled(tmp_path, [good_run(last, lag), *later]) == [hour, date]


def test_the_lag_is_that_of_the_run(tmp_path: Path) -> None:
    run = good_run(MIDNIGHT + timedelta(minutes=30), timedelta(hours=1))
    assert settled(tmp_path, [run]) == [True, False]


def test_nothing_is_settled_where_no_run_was_good(tmp_path: Path) -> None:
    assert settled(tmp_path, [failed_run(MIDNIGHT + timedelta(days=1))]) == [False, False]


def test_nothing_is_settled_while_an_invocation_is_open(tmp_path: Path) -> None:
    run = good_run(MIDNIGHT + timedelta(days=1))
    assert settled(tmp_path, [run], status="InProgress") == [False, False]
