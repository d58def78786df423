"""The models' SQL in Spark's dialect."""

from pathlib import Path
from typing import Final

from sqlglot import exp
from sqlglot.errors import ErrorLevel, UnsupportedError

from bedrock_async_etl.destinations.database.model_tables import EngineError
from bedrock_async_etl.models.sql_files import parse, tables_in
from bedrock_async_etl.models.state import TableName

FUNCTIONS: Final = {"epoch_us": "unix_micros"}
"""Spark's names of functions that sqlglot does not know."""


def view_name(table: TableName) -> str:
    """The name of a table where there are no schemas, as for Spark's temporary views."""
    return "__".join(part for part in table if part)


def to_spark(select: str) -> str:
    """A SELECT in Spark's dialect, with `view_name` for each table.

    Raises `EngineError` for SQL that Spark does not have.
    """
    query = parse(Path("SELECT"), select).copy()
    tables = tables_in(query)
    names = {(table.db.lower(), table.name.lower()) for table in tables if table.db}
    for column in query.find_all(exp.Column):
        if (column.text("db").lower(), column.table.lower()) in names:
            column.set("db", None)
    for table in tables:
        _rename(table)
    for call in query.find_all(exp.Anonymous):
        call.set("this", FUNCTIONS.get(call.name.lower(), call.name))
    try:
        return query.sql("spark", comments=False, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        reason = " ".join(str(error).split()).removesuffix(".")
        raise EngineError(f"it cannot be carried over to Spark: {reason}") from None


def _rename(table: exp.Table) -> None:
    """Rename a table; an alias keeps its columns under the table's own name."""
    if not table.alias:
        table.set("alias", exp.TableAlias(this=table.this.copy()))
    name = view_name((table.db.lower(), table.name.lower()))
    table.set("this", exp.to_identifier(name))
    table.set("db", None)


def spark_type(kind: str) -> str:
    """Spark's name of a DuckDB type."""
    return exp.DataType.build(kind, dialect="duckdb").sql("spark")
