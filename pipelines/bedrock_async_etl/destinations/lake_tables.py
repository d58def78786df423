"""A lake's tables in DuckDB: the current rows of its change logs, and the models."""

import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.dataset

from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.destinations.schema import SCHEMAS
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.models.sql_files import identifier, read_lake_views

if TYPE_CHECKING:
    from deltalake import DeltaTable

TableFormat = Literal["parquet", "delta"]

LOG_NAME: Final = "bedrock_log"
"""The schema of the tables as they are in the lake; `bedrock` has their current rows."""


@contextmanager
def connected(
    files: LakeFiles, table_format: TableFormat | None, *, are_copied: bool
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own with a lake's tables, which are copied into it or looked up each time.

    It is in a temporary file, so that DuckDB can put there what memory does not hold.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        duckdb.connect(f"{folder}/lake.duckdb") as connection,
    ):
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"create schema {LOG_NAME}; create schema {DATASET_NAME}")
        for name in SCHEMAS:
            _register(connection, LOG_NAME, name, _stored(files, name, table_format))
        kind = "table" if are_copied else "view"
        for view in read_lake_views():
            connection.execute(f"create {kind} {DATASET_NAME}.{view.name} as\n{view.text}")
        yield connection


def _register(
    connection: duckdb.DuckDBPyConnection, schema: str, name: str, data: pa.dataset.Dataset
) -> None:
    registered = f"{schema}_{name}"
    connection.register(registered, data)
    view = f"{identifier(schema)}.{identifier(name)}"
    connection.execute(f"create view {view} as from {identifier(registered)}")


def _stored(
    files: LakeFiles, name: str, table_format: TableFormat | None
) -> pa.dataset.Dataset | pa.Table:
    """A table as the lake has it; without rows where it has none yet."""
    if name == "async_invokes" and table_format == "delta":
        return _current(files, delta_table(files))
    paths = log_paths(files, name)
    if not paths:
        return SCHEMAS[name].empty_table()
    return pa.dataset.dataset(paths, SCHEMAS[name], "parquet", files.arrow_filesystem)


def _current(files: LakeFiles, table: "DeltaTable | None") -> pa.dataset.Dataset | pa.Table:
    """The files of a Delta table's newest version; the folders' names have the dates."""
    schema = SCHEMAS["async_invokes"]
    uris = table.file_uris() if table else []
    if not uris:
        return schema.empty_table()
    if files.is_local:
        uris = [unquote(uri) for uri in uris]
    return pa.dataset.dataset(
        [uri.removeprefix("s3://").removeprefix("file://") for uri in uris],
        schema,
        "parquet",
        files.arrow_filesystem,
        pa.dataset.partitioning(pa.schema([schema.field("submit_date")]), flavor="hive"),
        files.path(f"{DATASET_NAME}/async_invokes"),
    )


def log_paths(files: LakeFiles, name: str) -> Sequence[str]:
    """The files of a change log."""
    return files.glob(f"{DATASET_NAME}/{name}/*.parquet")


def delta_table(files: LakeFiles) -> "DeltaTable | None":
    """The invocations as a Delta table, once they are one.

    Raises `CommandError` without the extra `lake`.
    """
    try:
        from deltalake import DeltaTable
    except ModuleNotFoundError:
        raise CommandError(
            "A lake of Delta needs the extra `lake`: pip install 'bedrock-async-etl[lake]'."
        ) from None
    url, options = f"{files.url}/{DATASET_NAME}/async_invokes", files.object_store_options
    return DeltaTable(url, None, options) if DeltaTable.is_deltatable(url, options) else None


def add_models(connection: duckdb.DuckDBPyConnection, files: LakeFiles) -> None:
    """Make views of the models that the lake has."""
    connection.execute(f"create schema {ANALYTICS_NAME}")
    paths = files.glob(f"{ANALYTICS_NAME}/*/*.parquet")
    for folder, each in groupby(paths, key=posixpath.dirname):
        data = pa.dataset.dataset(list(each), format="parquet", filesystem=files.arrow_filesystem)
        _register(connection, ANALYTICS_NAME, posixpath.basename(folder), data)
