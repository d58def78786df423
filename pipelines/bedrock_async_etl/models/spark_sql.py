"""The models' SQL in Spark's dialect, and the types of their columns in DuckDB."""

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
from sqlglot import exp
from sqlglot.errors import ErrorLevel, UnsupportedError

from bedrock_async_etl.destinations import ANALYTICS_NAME
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.formatting import identifier
from bedrock_async_etl.models.build import build_model
from bedrock_async_etl.models.sql_files import SqlFile, parse, tables_in

TableName = tuple[str, str]
"""Schema and name in lower case; no schema is an empty one."""
Columns = Mapping[str, str]
"""Spark's types by name of the column."""

HUGEINT: Final = exp.DataType.build("decimal(38, 0)")
"""DuckDB sums integers to 128 bits, which are this in Arrow, and so in lakes."""


def view_name(table: TableName) -> str:
    """The name of a table where there are no schemas, as for Spark's temporary views."""
    return "__".join(part for part in table if part)


def to_spark(file: SqlFile) -> str:
    """The SELECT of a file in Spark's dialect, with `view_name` for each table.

    Raises `CommandError`, naming the file, for SQL that Spark does not have.
    """
    query = parse(file.path, file.text)
    for column in query.find_all(exp.Column):
        if (column.text("db").lower(), column.table.lower()) in file.reads:
            column.set("db", None)
    for table in tables_in(query):
        _rename(table)
    try:
        return query.sql("spark", comments=False, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        reason = " ".join(str(error).split()).removesuffix(".")
        raise CommandError(f"{file.path} cannot be carried over to Spark: {reason}.") from None


def _rename(table: exp.Table) -> None:
    """Rename a table; an alias keeps its columns under the table's own name."""
    if not table.alias:
        table.set("alias", exp.TableAlias(this=table.this.copy()))
    name = view_name((table.db.lower(), table.name.lower()))
    table.set("this", exp.to_identifier(name))
    table.set("db", None)


def columns_in_duckdb(
    tables: Mapping[TableName, Columns], ordered: Sequence[SqlFile]
) -> dict[str, Columns]:
    """The columns of each model in DuckDB, found by building all on empty tables.

    Engines differ on the width of a sum; DuckDB decides, so that a table has the same columns
    whichever built it. `ordered` is the result of `in_order`. Raises `CommandError`, naming file
    and line, for SQL that DuckDB does not take.
    """
    with duckdb.connect() as connection:
        for table, columns in tables.items():
            _create(connection, table, columns)
        connection.execute(f"create schema if not exists {ANALYTICS_NAME}")
        for model in ordered:
            build_model(connection, model)
        return {model.name: _described(connection, model) for model in ordered}


def _create(connection: duckdb.DuckDBPyConnection, table: TableName, columns: Columns) -> None:
    typed = ", ".join(
        f"{identifier(name)} {exp.DataType.build(kind, dialect='spark').sql('duckdb')}"
        for name, kind in columns.items()
    )
    schema = identifier(table[0] or "main")
    connection.execute(f"create schema if not exists {schema}")
    connection.execute(f"create table if not exists {schema}.{identifier(table[1])} ({typed})")


def _described(connection: duckdb.DuckDBPyConnection, model: SqlFile) -> Columns:
    table = connection.sql(f"from {ANALYTICS_NAME}.{identifier(model.name)}")
    return {
        name: _spark_type(str(kind)) for name, kind in zip(table.columns, table.types, strict=True)
    }


def _spark_type(kind: str) -> str:
    parsed = exp.DataType.build(kind, dialect="duckdb")
    return parsed.transform(_without_hugeint).sql("spark")


def _without_hugeint(node: exp.Expression) -> exp.Expression:
    is_hugeint = isinstance(node, exp.DataType) and node.this == exp.DataType.Type.INT128
    return HUGEINT.copy() if is_hugeint else node
