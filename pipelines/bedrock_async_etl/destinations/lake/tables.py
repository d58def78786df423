"""A lake's tables in DuckDB: the current rows of its logs, and the models."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import duckdb
import pyarrow as pa
import pyarrow.dataset

from bedrock_async_etl.destinations import DATASET_NAME
from bedrock_async_etl.destinations.database.model_tables import DATED_BY
from bedrock_async_etl.formatting import identifier
from bedrock_async_invokes.columns import ASYNC_INVOKES, LOAD_ID, TABLES, Table

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.lake.formats import LakeFormat

LOG_NAME: Final = "bedrock_log"
"""The schema of the tables as they are in the lake; `bedrock` has their current rows."""


def select_rows(lake_format: "LakeFormat", name: str, *, is_by_date: bool = False) -> str:
    """The SELECT of a table's current rows, for DuckDB and Spark alike."""
    if not lake_format.is_log(name):
        return f"select {', '.join(TABLES[name].stored_schema.names)}\nfrom {LOG_NAME}.{name}"
    return current_rows(TABLES[name], is_by_date=is_by_date)


def current_rows(table: Table, *, is_by_date: bool = False) -> str:
    """The SELECT of the newest version of each row in a log.

    Of two versions that were read at the same moment, the one that was loaded last counts. With
    `is_by_date`, it finds the invocations of a date without reading others. That holds as long as
    all versions of an invocation have one time of submission.
    """
    apart = (DATED_BY,) if is_by_date and table is ASYNC_INVOKES else ()
    return (
        f"select {', '.join(table.stored_schema.names)}\n"
        f"from {LOG_NAME}.{table.name}\n"
        f"qualify {is_current(table, *apart)}"
    )


def is_current(table: Table, *apart: str) -> str:
    """The condition on which a row is the newest version among those that are read.

    Versions that differ in the columns `apart` count as different rows.
    """
    return (
        "row_number() over (\n"
        f"    partition by {', '.join((*table.key, *apart))}\n"
        f"    order by {table.newest_by} desc, {LOAD_ID} desc\n"
        ") = 1"
    )


@contextmanager
def connected(
    lake_format: "LakeFormat",
    *,
    is_materialized: bool = False,
    is_by_date: bool = False,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A separate DuckDB with a lake's tables, which are copied into it or read by each query.

    With `is_by_date`, a query of some dates does not read other invocations. The DuckDB is a
    temporary file, so that it can hold what memory does not.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        duckdb.connect(f"{folder}/lake.duckdb") as connection,
    ):
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"create schema {LOG_NAME}; create schema {DATASET_NAME}")
        for name, table in TABLES.items():
            register(connection, LOG_NAME, name, lake_format.rows(table))
            is_small = name != ASYNC_INVOKES.name
            kind = "table" if is_materialized or (is_by_date and is_small) else "view"
            rows = select_rows(lake_format, name, is_by_date=is_by_date)
            connection.execute(f"create {kind} {DATASET_NAME}.{name} as {rows}")
        yield connection


def register(
    connection: duckdb.DuckDBPyConnection, schema: str, name: str, data: pa.dataset.Dataset
) -> None:
    """Make a view of data in a schema."""
    registered = f"{schema}_{name}"
    connection.register(registered, data)
    view = f"{identifier(schema)}.{identifier(name)}"
    connection.execute(f"create view {view} as from {identifier(registered)}")


def folder_of(name: str) -> str:
    """The folder of a table, within its lake."""
    return f"{DATASET_NAME}/{name}"
