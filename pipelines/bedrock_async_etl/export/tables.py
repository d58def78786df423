"""The tables of an export, and their columns in types that Athena, Glue and Spark read."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import duckdb

from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.models.sql_files import identifier

ROWS: Final = "async_invokes"
PARTITIONED: Final = (ROWS, "invocations")
PARTITION_COLUMN: Final = "submit_date"

INSTANT: Final = "TIMESTAMP WITH TIME ZONE"
INTEGERS: Final = {
    "UTINYINT": "SMALLINT",
    "USMALLINT": "INTEGER",
    "UINTEGER": "BIGINT",
    "UBIGINT": "BIGINT",
    "HUGEINT": "BIGINT",
    "UHUGEINT": "BIGINT",
    "BIGNUM": "BIGINT",
}
KEPT: Final = (
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE"),
    *("DATE", "VARCHAR", "BLOB", INSTANT),
)
NESTED: Final = ("STRUCT(", "MAP(", "UNION(")

TABLES: Final = """
select lower(table_schema), table_name
from information_schema.tables
where table_catalog = current_database() and lower(table_schema) in (?, ?)
order by table_name
"""


@dataclass(frozen=True, eq=False)
class Source:
    """A table to export; `columns` are DuckDB's types."""

    name: str
    schema: str
    columns: Mapping[str, str]

    @property
    def sql_name(self) -> str:
        return f"{self.schema}.{identifier(self.name)}"

    @property
    def partition_column(self) -> str | None:
        is_dated = self.name in PARTITIONED and self.columns.get(PARTITION_COLUMN) == "DATE"
        return PARTITION_COLUMN if is_dated else None

    @cached_property
    def exported_columns(self) -> dict[str, str]:
        """The types in the files; the column of the partitions is in no file."""
        return {
            name: exported_type(kind)
            for name, kind in self.columns.items()
            if name != self.partition_column
        }

    @cached_property
    def values(self) -> dict[str, str]:
        """The SQL of each column in the files."""
        return {
            name: exported_value(identifier(name), self.columns[name], kind)
            for name, kind in self.exported_columns.items()
        }


def exported_type(kind: str) -> str:
    """The type in Parquet of a DuckDB type.

    Instants are microseconds in UTC, there are no unsigned integers, and none wider than 64 bits.
    What those engines have no type for is text; in JSON, where it has parts.
    """
    if kind in KEPT or (kind.startswith("DECIMAL(") and not kind.endswith("]")):
        return kind
    if kind in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"):
        return INSTANT
    return INTEGERS.get(kind, "VARCHAR")


def exported_value(value: str, kind: str, target: str) -> str:
    """The SQL that makes a `value` of type `kind` one of type `target`, in any time zone."""
    if kind == target:
        return value
    if target == INSTANT:
        return f"cast({value} as timestamp) at time zone 'UTC'"
    if kind.startswith(NESTED) or kind.endswith("]"):
        return f"cast(to_json({value}) as varchar)"
    return f"cast({value} as {target})"


def sources(connection: duckdb.DuckDBPyConnection) -> list[Source]:
    """The rows, then the models there are; raises `CommandError` where there are no rows."""
    tables = connection.execute(TABLES, [DATASET_NAME, ANALYTICS_NAME]).fetchall()
    if (DATASET_NAME, ROWS) not in tables:
        raise CommandError(
            f"There is no table {DATASET_NAME}.{ROWS} yet: load it first with `run`."
        )
    models = [name for schema, name in tables if schema == ANALYTICS_NAME]
    for name in models:
        if name == ROWS or not name.isidentifier() or name.startswith("_"):
            raise CommandError(
                f"The model {name!r} cannot be exported under that name: give it another, of "
                f"letters and digits, that is not {ROWS}."
            )
    named = [(ROWS, DATASET_NAME), *((name, ANALYTICS_NAME) for name in models)]
    return [_source(connection, name, schema) for name, schema in named]


def _source(connection: duckdb.DuckDBPyConnection, name: str, schema: str) -> Source:
    described = connection.execute(f"describe {schema}.{identifier(name)}").fetchall()
    return Source(name, schema, {column: kind for column, kind, *_ in described})
