"""A merge of dlt's that takes rows from their file right into the table."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from bedrock_async_etl.destinations.database.merge import MergeJob, merging_duckdb
from bedrock_async_etl.dlt_state import innermost

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
LATER = FIRST + timedelta(hours=1)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(tmp_path / "merged.duckdb") as connection:
        yield connection


@pytest.fixture
def pipeline(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> Iterator[dlt.Pipeline]:
    pipeline = dlt.pipeline(
        "merges",
        str(tmp_path / "dlt"),
        destination=merging_duckdb(lambda: connection),
        dataset_name="d",
    )
    yield pipeline
    pipeline.deactivate()


def merge(
    pipeline: dlt.Pipeline, rows: Any, key: str | list[str] = "id", latest: str | None = "seen_at"
) -> None:
    columns: Any = {latest: {"dedup_sort": "desc"}} if latest else None
    pipeline.run(rows, table_name="t", primary_key=key, columns=columns, write_disposition="merge")


def table_of(*rows: tuple[str, datetime | None, int]) -> pa.Table:
    names = ("id", "seen_at", "n")
    schema = pa.schema(
        [("id", pa.string()), ("seen_at", pa.timestamp("us", "UTC")), ("n", pa.int64())]
    )
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema)


def stored(connection: duckdb.DuckDBPyConnection) -> list[Any]:
    return connection.sql("select id, n from d.t order by all").fetchall()


def test_rows_replace_those_with_their_key(
    pipeline: dlt.Pipeline, connection: duckdb.DuckDBPyConnection
) -> None:
    merge(pipeline, table_of(("a", FIRST, 1), ("b", FIRST, 2)))
    merge(pipeline, table_of(("b", FIRST, 3), ("c", FIRST, 4)))
    assert stored(connection) == [("a", 1), ("b", 3), ("c", 4)]


def test_of_one_key_the_latest_counts_wherever_it_is_in_the_file(
    pipeline: dlt.Pipeline, connection: duckdb.DuckDBPyConnection
) -> None:
    merge(
        pipeline,
        table_of(
            ("a", LATER, 1),
            ("a", FIRST, 2),
            ("b", FIRST, 3),
            ("b", FIRST, 4),
            ("c", FIRST, 5),
            ("c", None, 6),
            ("d", None, 7),
        ),
    )
    assert stored(connection) == [("a", 1), ("b", 4), ("c", 5), ("d", 7)]


def test_without_a_column_that_tells_the_last_counts(
    pipeline: dlt.Pipeline, connection: duckdb.DuckDBPyConnection
) -> None:
    merge(pipeline, table_of(("a", LATER, 1), ("a", FIRST, 2)), latest=None)
    assert stored(connection) == [("a", 2)]


def test_a_key_of_several_columns_is_one(
    pipeline: dlt.Pipeline, connection: duckdb.DuckDBPyConnection
) -> None:
    merge(pipeline, table_of(("a", FIRST, 1), ("a", FIRST, 2)), key=["id", "n"])
    merge(pipeline, table_of(("a", LATER, 2), ("b", FIRST, 1)), key=["id", "n"])
    assert stored(connection) == [("a", 1), ("a", 2), ("b", 1)]


def test_the_files_of_a_package_follow_each_other(
    pipeline: dlt.Pipeline,
    connection: duckdb.DuckDBPyConnection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the same time, each could insert a row of a key that no other sees yet."""
    under_way: list[MergeJob] = []
    most = 0
    run = MergeJob.run

    def watched(job: MergeJob) -> None:
        nonlocal most
        under_way.append(job)
        most = max(most, len(under_way))
        time.sleep(0.1)
        run(job)
        under_way.remove(job)

    monkeypatch.setattr(MergeJob, "run", watched)
    monkeypatch.setenv("DATA_WRITER__FILE_MAX_ITEMS", "1")
    monkeypatch.setenv("DATA_WRITER__BUFFER_MAX_ITEMS", "1")
    merge(pipeline, [table_of(("a", FIRST, n), ("b", FIRST, n)) for n in range(3)])
    assert [key for key, _ in stored(connection)] == ["a", "b"]
    assert most == 1


def test_nothing_is_left_beside_the_tables(
    pipeline: dlt.Pipeline, connection: duckdb.DuckDBPyConnection
) -> None:
    merge(pipeline, table_of(("a", FIRST, 1)))
    schemas = connection.sql("select distinct schema_name from duckdb_tables()").fetchall()
    assert schemas == [("d",)]


def test_what_is_not_parquet_is_refused(pipeline: dlt.Pipeline) -> None:
    with pytest.raises(PipelineStepFailed) as raised:
        merge(pipeline, [{"id": "a", "seen_at": FIRST, "n": 1}])
    assert "Only Parquet can be merged" in str(innermost(raised.value))


def test_it_is_duckdb_to_dlt(pipeline: dlt.Pipeline) -> None:
    assert pipeline.destination is not None
    assert pipeline.destination.destination_type == "dlt.destinations.duckdb"
    assert pipeline.destination.destination_name == "duckdb"
