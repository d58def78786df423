"""The source on its own, in a plain dlt pipeline."""

import subprocess
import sys
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import dlt
import pyarrow as pa
import pytest
from dlt.common.configuration.const import TYPE_EXAMPLES
from dlt.pipeline.exceptions import PipelineStepFailed

from bedrock_async_invokes import bedrock_async_invokes
from bedrock_async_invokes.columns import ASYNC_INVOKES, TEXT, TIMESTAMP
from bedrock_async_invokes.options import LoadOptions
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy, query


@pytest.fixture
def pipeline(bedrock: Control, database: Path) -> dlt.Pipeline:
    bedrock.populate(ACCOUNT, REGION, 3_000, NOW - timedelta(days=3), NOW + timedelta(days=1))
    return dlt.pipeline(
        "plain", destination=dlt.destinations.duckdb(str(database)), dataset_name="bedrock"
    )


def test_two_runs_are_all_it_takes(
    pipeline: dlt.Pipeline, bedrock: Control, database: Path
) -> None:
    pipeline.run(bedrock_async_invokes())
    assert_exact_copy(database, bedrock)
    bedrock.advance(timedelta(hours=3))
    pipeline.run(bedrock_async_invokes())
    assert_exact_copy(database, bedrock)
    runs = "select outcome, rows_new > 0 from bedrock.extract_runs order by started_at"
    assert query(database, runs) == [("ok", True), ("ok", True)]


def test_each_row_names_the_load_that_wrote_it(pipeline: dlt.Pipeline, database: Path) -> None:
    pipeline.run(bedrock_async_invokes())
    loads = "select distinct _dlt_load_id from bedrock.async_invokes"
    assert query(database, loads) == query(database, "select load_id from bedrock._dlt_loads")


def test_columns_have_the_declared_types(pipeline: dlt.Pipeline, database: Path) -> None:
    pipeline.run(bedrock_async_invokes())
    types = {TEXT: "VARCHAR", TIMESTAMP: "TIMESTAMP WITH TIME ZONE", pa.date32(): "DATE"}
    declared = [
        (each.name, types[each.type], "NO" if each.is_required else "YES")
        for each in ASYNC_INVOKES.columns
    ]
    describe = 'select column_name, column_type, "null" from (describe bedrock.async_invokes)'
    assert query(database, describe) == [*declared, ("_dlt_load_id", "VARCHAR", "NO")]


def test_an_empty_listing_makes_all_tables(bedrock: Control, database: Path) -> None:
    destination = dlt.destinations.duckdb(str(database))
    dlt.pipeline("plain", destination=destination, dataset_name="bedrock").run(
        bedrock_async_invokes()
    )
    for table, rows in (("async_invokes", 0), ("extract_runs", 1), ("vanished_invokes", 0)):
        assert query(database, f"select count(*) from bedrock.{table}") == [(rows,)]


def test_a_limited_run_loses_nothing(
    pipeline: dlt.Pipeline, bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bedrock_async_invokes.run.BATCH_ROWS", 500)
    pipeline.run(bedrock_async_invokes().add_limit(2))
    [(rows,)] = query(database, "select count(*) from bedrock.async_invokes")
    assert 0 < rows < len(bedrock.listing(ACCOUNT, REGION))
    pipeline.run(bedrock_async_invokes())
    assert_exact_copy(database, bedrock)


def test_a_run_for_the_schema_alone_loses_nothing(
    pipeline: dlt.Pipeline, bedrock: Control, database: Path
) -> None:
    """Dlt takes one item and throws it away."""
    pipeline.run(bedrock_async_invokes().with_resources("extract_runs"))
    source = bedrock_async_invokes()
    source.async_invokes.add_limit(0)
    pipeline.run(source)
    pipeline.run(bedrock_async_invokes())
    assert_exact_copy(database, bedrock)


def test_a_source_that_was_stopped_does_not_pretend_to_be_read(
    pipeline: dlt.Pipeline, bedrock: Control, database: Path
) -> None:
    source = bedrock_async_invokes()
    pipeline.run(source.add_limit(1))
    with pytest.raises(PipelineStepFailed, match="make a new one, or a new source"):
        pipeline.run(source)


def test_runs_alone_are_nothing_to_wait_for(pipeline: dlt.Pipeline, database: Path) -> None:
    pipeline.run(bedrock_async_invokes().with_resources("extract_runs"))
    assert query(database, "select count(*) from bedrock.extract_runs") == [(0,)]


def test_each_run_names_the_version_that_made_it(pipeline: dlt.Pipeline, database: Path) -> None:
    pipeline.run(bedrock_async_invokes())
    versions = query(database, "select version from bedrock.extract_runs")
    assert versions == [(version("bedrock-async-etl"),)]


def test_progress_is_where_older_versions_left_it(pipeline: dlt.Pipeline, bedrock: Control) -> None:
    """A copy that was loaded before goes on from there."""
    pipeline.run(bedrock_async_invokes())
    resources = pipeline.state["sources"]["bedrock_async_invokes"]["resources"]
    assert list(resources["async_invokes"]) == [f"{ACCOUNT}/{REGION}"]


def test_a_secret_that_nobody_configured_is_none() -> None:
    """`dlt init` writes an example for every secret, needed or not."""
    assert LoadOptions(external_id=TYPE_EXAMPLES["text"]).external_id is None


def test_options_alone_need_neither_dlt_nor_arrow() -> None:
    code = "import sys, bedrock_async_invokes.options; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert not {"dlt", "pyarrow", "boto3", "botocore"} & {*result.stdout.decode().split()}


def test_options_come_from_dlt_s_configuration(
    pipeline: dlt.Pipeline, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = "SOURCES__BEDROCK_ASYNC_INVOKES__"
    monkeypatch.setenv(f"{prefix}REGIONS", '["eu-west-1", "us-east-1"]')
    monkeypatch.setenv(f"{prefix}FAILURE_MESSAGE", "redact")
    pipeline.run(bedrock_async_invokes())
    regions = "select region from bedrock.extract_runs order by region"
    assert query(database, regions) == [("eu-west-1",), ("us-east-1",)]
    messages = (
        "select bool_and(failure_message like 'redacted:%') from bedrock.async_invokes "
        "where status = 'Failed'"
    )
    assert query(database, messages) == [(True,)]
