"""Comparison of what was loaded with the whole listing."""

import os
from pathlib import Path
from typing import Any, Literal

import duckdb

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.urls import is_s3
from bedrock_async_etl.models.sql_files import read_models
from bedrock_emulator import Control
from tests.plain_rows import COMPARED, expected_row

CopyKind = Literal["duckdb", "parquet", "delta", "iceberg"]
Row = tuple[Any, ...]


def destination_of(kind: CopyKind, place: Path | str) -> Destination:
    """A DuckDB file, or a lake of that format, in a place."""
    if kind == "duckdb":
        return DuckDBDestination(Path(place))
    return LakeDestination(str(place), kind, catalog=catalog_of(kind, str(place)))


def catalog_of(kind: str, place: str) -> str | None:
    """The catalog of a lake of Iceberg: on S3 that of Glue, elsewhere a REST one that is set."""
    if kind != "iceberg":
        return None
    if is_s3(place):
        return "glue"
    return "rest" if "PYICEBERG_CATALOG__REST__URI" in os.environ else None


def listed_rows(bedrock: Control) -> dict[str, Row]:
    """All that any scope lists now, by ARN, but for what is in no contract."""
    return {
        summary["invocationArn"]: expected_row(summary)[:-1]
        for account, region in bedrock.scopes()
        for summary in bedrock.listing(account, region)
    }


def stored_rows(copy: Path | Destination) -> list[Row]:
    """The rows of `async_invokes` in the same columns; a path is that of a DuckDB file."""
    destination = DuckDBDestination(copy) if isinstance(copy, Path) else copy
    with destination.connection() as connection:
        return connection.sql("from bedrock.async_invokes").select(*COMPARED[:-1]).fetchall()


def rows_so_far(destination: Destination) -> list[Row]:
    """The same where nothing may have been loaded yet."""
    try:
        return stored_rows(destination.existing())
    except (CommandError, duckdb.CatalogException):
        return []


def assert_exact_copy(copy: Path | Destination, bedrock: Control) -> None:
    """Each listed invocation is stored once and as it is listed; nothing else is stored."""
    stored = stored_rows(copy)
    by_arn = {row[0]: row for row in stored}
    assert len(stored) == len(by_arn)
    assert by_arn == listed_rows(bedrock)


def query(database: Path, sql: str) -> list[Row]:
    """The rows of a query."""
    with _read_only(database) as connection:
        return connection.sql(sql).fetchall()


def model_names(database: Path) -> list[str]:
    """The models that were built."""
    with _read_only(database) as connection:
        return _model_names(connection)


def modelled_rows(database: Path) -> dict[str, list[Row]]:
    """Every row of every model, sorted."""
    with _read_only(database) as connection:
        return {
            name: sorted(connection.sql(f"from bedrock_analytics.{name}").fetchall(), key=repr)
            for name in _model_names(connection)
        }


def _read_only(database: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(database, read_only=True)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _model_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    tables = "select table_name from duckdb_tables() where schema_name = 'bedrock_analytics'"
    return [name for (name,) in connection.sql(tables).fetchall()]


def assert_built_alike_by_hand(database: Path, zone: str) -> None:
    """The SELECTs give the rows of the models in a session of another time zone, too."""
    texts = {model.name: model.text for model in read_models()}
    names = model_names(database)
    assert len(names) > 20
    with duckdb.connect(database, read_only=True) as connection:
        connection.execute(f"set TimeZone = '{zone}'")
        for name in names:
            connection.execute(f"create or replace temp table by_hand as\n{texts[name]}")
            built = f"bedrock_analytics.{name}"
            for one, other in (("by_hand", built), (built, "by_hand")):
                assert connection.sql(f"from {one} except all from {other}").fetchall() == []
