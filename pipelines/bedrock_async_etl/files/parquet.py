"""Tables as Parquet files, in types that Athena, Glue and Spark read, too."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final

import duckdb

from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.formatting import identifier, literal
from bedrock_async_invokes.columns import ASYNC_INVOKES

ROWS: Final = ASYNC_INVOKES.name
PARTITIONED: Final = (ROWS, "invocations")
PARTITION_COLUMN: Final = "submit_date"
NO_DATE: Final = "__HIVE_DEFAULT_PARTITION__"
"""Read as null by Hive, Athena, Spark, Arrow and DuckDB."""

ROWS_PER_FILE: Final = 5_000_000
ROW_GROUP_ROWS: Final = 102_400
"""A whole number of DuckDB's vectors."""

INSTANT: Final = "TIMESTAMP WITH TIME ZONE"
INTEGERS: Final = {
    "UTINYINT": "SMALLINT",
    "USMALLINT": "INTEGER",
    **dict.fromkeys(("UINTEGER", "UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM"), "BIGINT"),
}
KEPT: Final = (
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE"),
    *("DATE", "VARCHAR", "BLOB", INSTANT, "BIGINT[]"),
)
NESTED: Final = ("STRUCT(", "MAP(", "UNION(")

TABLES: Final = """
select table_name
from information_schema.tables
where table_catalog = current_database() and lower(table_schema) = ?
order by table_name
"""


@dataclass(frozen=True)
class ExportedFile:
    """A Parquet file; its path is relative to the export."""

    path: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Partition:
    """Files in one folder: those of a date, or of a table that is not partitioned."""

    folder: str
    rows: int
    fingerprint: str
    """Changes with the rows, whatever their order."""
    files: Sequence[ExportedFile] = ()

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, eq=False)
class Source:
    """A table to write as Parquet; `columns` are DuckDB's types."""

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
        """The types in the files of partitions, which lack the column of the partitions."""
        return {
            name: exported_type(kind)
            for name, kind in self.columns.items()
            if name != self.partition_column
        }

    def folder(self, day: date | None) -> str:
        """The folder of the rows of a date, or of all where there are no partitions."""
        if self.partition_column is None:
            return self.name
        return f"{self.name}/{PARTITION_COLUMN}={day.isoformat() if day else NO_DATE}"

    @property
    def all_rows(self) -> str:
        """The SELECT of all rows and columns."""
        return self._select(self.columns)

    def rows_of(self, partition: Partition) -> str:
        """The SELECT of a partition's rows and exported columns."""
        rows = self._select(self.exported_columns)
        if not self.partition_column:
            return rows
        value = partition.folder.rpartition("=")[2]
        is_value = "is null" if value == NO_DATE else f"= date {literal(value)}"
        return f"{rows} where {self.partition_column} {is_value}"

    def order(self, *, is_cut: bool = False) -> str:
        """The ORDER BY of the rows in a file: by time where there is one, else as the table is.

        Parts need an order without ties: otherwise a row could be in two of them, or in none.
        """
        keys = ["submit_time"] if "submit_time" in self.columns else []
        if is_cut:
            keys += [identifier(name) for name in self.columns]
        return f"order by {', '.join(keys)}" if keys else ""

    def _select(self, names: Iterable[str]) -> str:
        columns = [(identifier(name), self.columns[name]) for name in names]
        values = (
            f"{exported_value(column, kind, exported_type(kind))} as {column}"
            for column, kind in columns
        )
        return f"select {', '.join(values)} from {self.sql_name}"  # noqa: S608


def exported_type(kind: str) -> str:
    """The type in Parquet of a DuckDB type.

    Instants are microseconds in UTC, there are no unsigned integers, and none wider than 64 bits.
    Types that those engines lack become text; JSON, where they have parts.
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


def table_names(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    """The tables and views of a schema by name."""
    return [name for (name,) in connection.execute(TABLES, [schema]).fetchall()]


def read_source(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> Source:
    """A table with its columns."""
    described = connection.execute(f"describe {schema}.{identifier(name)}").fetchall()
    return Source(name, schema, {column: kind for column, kind, *_ in described})


def model_tables(connection: duckdb.DuckDBPyConnection, schema: str) -> list[Source]:
    """The models in a schema; raises `CommandError` for names that no folder can have."""
    names = table_names(connection, schema)
    return [read_source(connection, schema, folder_name(name)) for name in names]


def folder_name(model: str) -> str:
    """The name of a model, as that of a folder; raises `CommandError` if no folder can have it."""
    if model == ROWS or not model.isidentifier() or model.startswith("_"):
        raise CommandError(
            f"The model {model!r} cannot be exported under that name: give it another, of "
            f"letters and digits, that is not {ROWS}."
        )
    return model


def written_files(
    connection: duckdb.DuckDBPyConnection, source: Source, partition: Partition, scratch: Path
) -> Iterator[ExportedFile]:
    """Write a partition to the file `scratch`, once per part; it is there until the next part."""
    parts = max(1, -(-partition.rows // ROWS_PER_FILE))
    for part in range(parts):
        rows = min(ROWS_PER_FILE, partition.rows - part * ROWS_PER_FILE)
        select = f"{source.rows_of(partition)} {source.order(is_cut=parts > 1)}"
        if parts > 1:  # DuckDB writes with one thread where there is a limit.
            select += f" limit {rows} offset {part * ROWS_PER_FILE}"
        write(connection, select, scratch)
        path = f"{partition.folder}/part-{part}.parquet"
        yield ExportedFile(path, rows, scratch.stat().st_size)


def write(connection: duckdb.DuckDBPyConnection, select: str, file: Path) -> None:
    """Write the rows of a SELECT to a file."""
    connection.execute(
        # The first version of the format's pages is the one that every engine reads.
        f"copy ({select}) to {literal(str(file))} (format parquet, parquet_version v1, "
        f"compression zstd, row_group_size {ROW_GROUP_ROWS})"
    )
