"""What another version of this program wrote is brought up to date, or refused with the remedy."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pytest
from dlt.common.schema.exceptions import DataValidationError
from dlt.pipeline.exceptions import PipelineStepFailed

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.lake import LAKE_VERSION
from bedrock_async_etl.dlt_state import innermost
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.load import load
from bedrock_async_invokes import Extraction, RunContext, extraction_source
from bedrock_async_invokes.columns import TABLES
from bedrock_async_invokes.options import LoadOptions
from bedrock_emulator import Control
from tests.builds import build_models
from tests.conftest import ACCOUNT, FORMATS, NOW, REGION
from tests.copies import CopyKind, assert_exact_copy, destination_of, query, stored_rows

LACKING: Final = {"async_invokes": ["client_request_token"], "extract_runs": ["quarantined"]}
"""What the earlier version did not know."""
TOKEN: Final = "render"


@pytest.fixture
def listed(bedrock: Control) -> Control:
    submit(bedrock)
    return bedrock


def submit(bedrock: Control) -> None:
    bedrock.submit(
        ACCOUNT,
        REGION,
        submit_time=bedrock.now(),
        duration=timedelta(minutes=1),
        client_request_token=TOKEN,
    )
    bedrock.advance(timedelta(hours=1))


def run_of(destination: Destination, changes: dict[str, Any]) -> None:
    """One run of a source whose tables are changed, each by a function."""
    with destination.load_session() as session, Extraction(RunContext(LoadOptions())) as extraction:
        source = session.with_write_hints(extraction_source(extraction))
        for name, change in changes.items():
            source.resources[name].add_map(change)
        with session.writing():
            session.pipeline().run(source)


def lacking(columns: list[str]) -> Any:
    return lambda table: table.drop_columns(columns)


@pytest.mark.parametrize("kind", ["duckdb", "parquet", *FORMATS])
def test_what_an_earlier_version_wrote_gets_the_columns_that_it_lacks(
    listed: Control, database: Path, kind: CopyKind
) -> None:
    """They are null in its rows, until the scrub or a range reads these again."""
    destination = destination_of(kind, database)
    run_of(destination, {name: lacking(columns) for name, columns in LACKING.items()})
    submit(listed)
    assert load(destination, {"scrub_calls": 0}).exit_code == 0
    with destination.connection() as connection:
        invocations = connection.sql("from bedrock.async_invokes").order("submit_time")
        assert invocations.select("client_request_token").fetchall() == [(None,), (TOKEN,)]
        runs = connection.sql("from bedrock.extract_runs").order("finished_at")
        assert runs.select("quarantined").fetchall() == [(None,), (0,)]
    assert load(destination, {"since": NOW - timedelta(days=1)}).rows_loaded == 1
    assert_exact_copy(destination, listed)


def test_a_range_is_compared_with_what_an_earlier_version_wrote(
    listed: Control, database: Path
) -> None:
    destination = DuckDBDestination(database)
    run_of(destination, {"async_invokes": lacking(LACKING["async_invokes"])})
    assert load(destination, {"since": NOW - timedelta(days=1)}).scopes[0].rows_changed == 1
    assert_exact_copy(destination, listed)


def test_models_are_built_of_what_an_earlier_version_wrote(listed: Control, database: Path) -> None:
    destination = DuckDBDestination(database)
    run_of(destination, {"async_invokes": lacking(LACKING["async_invokes"])})
    build_models(destination)
    assert query(database, "select count(*) from bedrock_analytics.invocations") == [(1,)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "add column cost double",
            r"^bedrock\.async_invokes was written by a newer version of bedrock-async-etl, which "
            r"knows cost: upgrade this one\.$",
        ),
        (
            "alter end_time type varchar",
            r"^bedrock\.async_invokes\.end_time is VARCHAR instead of TIMESTAMP WITH TIME ZONE, .*"
            r": load into a new database\.$",
        ),
    ],
)
def test_what_a_newer_version_wrote_is_left_alone(
    listed: Control, database: Path, change: str, told: str
) -> None:
    load(DuckDBDestination(database))
    with duckdb.connect(database) as connection:
        connection.execute(f"alter table bedrock.async_invokes {change}")
    before = database.read_bytes()
    submit(listed)
    with pytest.raises(CommandError, match=told):
        load(DuckDBDestination(database))
    assert database.read_bytes() == before


def test_a_column_that_becomes_of_another_type_is_refused(listed: Control, database: Path) -> None:
    """The destination would cast it, or put it into a column beside."""
    destination = DuckDBDestination(database)
    load(destination)
    before = stored_rows(database)
    submit(listed)
    with pytest.raises(PipelineStepFailed) as failed:
        run_of(destination, {"async_invokes": with_numbers_as_status})
    assert isinstance(innermost(failed.value), DataValidationError)
    assert "`status`" in str(failed.value)
    assert stored_rows(database) == before


def with_numbers_as_status(table: pa.Table) -> pa.Table:
    index = table.schema.get_field_index("status")
    return table.set_column(index, "status", pa.repeat(1, table.num_rows))


def test_a_new_column_is_a_new_version_of_lakes() -> None:
    """An earlier version, which does not know the column, would empty it; 0.1 wrote version 1."""
    assert sum(len(table.schema) for table in TABLES.values()) == LAKE_VERSION > 1


def test_a_database_has_the_columns_of_this_version(listed: Control, database: Path) -> None:
    load(DuckDBDestination(database))
    for name, table in TABLES.items():
        described = query(database, f"describe bedrock.{name}")
        assert sorted(row[0] for row in described) == sorted(table.stored_schema.names)
