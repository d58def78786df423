"""dlt's own command line works on what a run leaves, and finds no failure message there."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import query

pytestmark = pytest.mark.integration


@pytest.fixture
def listed(bedrock: Control) -> Control:
    bedrock.populate(ACCOUNT, REGION, 3_000, NOW - timedelta(days=3), NOW)
    return bedrock


def dlt_pipeline(*arguments: str) -> str:
    """What `dlt pipeline` prints."""
    dlt = str(Path(sys.executable).with_name("dlt"))
    command = [dlt, "--non-interactive", "pipeline", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_dlt_tells_of_the_load_under_the_pipelines_name(listed: Control, database: Path) -> None:
    load(DuckDBDestination(database))
    assert "bedrock_async_etl (last run: a few seconds ago" in dlt_pipeline("--list-pipelines")
    assert "async_invokes with 1 table(s)" in dlt_pipeline("bedrock_async_etl", "info")
    trace = dlt_pipeline("bedrock_async_etl", "trace")
    assert f"The duckdb destination used duckdb:///{database} location" in trace
    assert "- async_invokes: 3000 row(s)" in trace


def test_of_several_destinations_dlt_tells_of_the_one_loaded_last_or_of_the_one_asked_for(
    listed: Control, database: Path
) -> None:
    first, second = (DuckDBDestination(database.with_name(f"{n}.duckdb")) for n in ("one", "two"))
    load(first)
    load(second)
    assert "two.duckdb" in dlt_pipeline("bedrock_async_etl", "trace")
    folder = f"--pipelines-dir={first.working_directory}"
    assert "one.duckdb" in dlt_pipeline(folder, "bedrock_async_etl", "trace")


def test_a_pipeline_of_that_name_that_is_another_is_left_alone(
    listed: Control, database: Path
) -> None:
    others = database.parent / "dlt" / "pipelines" / "bedrock_async_etl"
    others.mkdir(parents=True)
    (others / "state.json").write_text("precious")
    load(DuckDBDestination(database))
    assert (others / "state.json").read_text() == "precious"
    assert list(others.parent.iterdir()) == [others]


def test_what_dlt_drops_there_comes_back_with_the_next_run(listed: Control, database: Path) -> None:
    destination = DuckDBDestination(database)
    load(destination)
    dlt_pipeline("bedrock_async_etl", "sync", "--destination", "duckdb", "--dataset-name", "none")
    assert load(destination).rows_loaded == 0
    assert "async_invokes with 1 table(s)" in dlt_pipeline("bedrock_async_etl", "info")


def test_a_load_of_many_slices_leaves_a_small_trace_without_failure_messages(
    listed: Control, database: Path
) -> None:
    destination = DuckDBDestination(database)
    load(destination, slice_rows=500)
    messages = query(
        database,
        "select distinct failure_message from bedrock.async_invokes "
        "where failure_message is not null",
    )
    assert len(messages) > 5
    [trace] = destination.working_directory.glob("*/trace.pickle")
    [state] = destination.working_directory.glob("*/state.json")
    assert trace.stat().st_size < 100_000
    told = trace.read_bytes() + state.read_bytes()
    told += dlt_pipeline("bedrock_async_etl", "-v", "info").encode()
    told += dlt_pipeline("bedrock_async_etl", "-v", "trace").encode()
    assert [message for (message,) in messages if message.encode() in told] == []
