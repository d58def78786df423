"""A table's partitions: their fingerprints, and their Parquet files."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

import duckdb

from bedrock_async_etl.export.manifest import ExportedFile, Partition
from bedrock_async_etl.export.tables import INSTANT, PARTITION_COLUMN, ROWS, Source
from bedrock_async_etl.models.sql_files import identifier, literal

NO_DATE: Final = "__HIVE_DEFAULT_PARTITION__"
"""What Hive, Athena, Spark, Arrow and DuckDB read as null."""

ROWS_PER_FILE: Final = 5_000_000
ROW_GROUP_ROWS: Final = 102_400
"""A whole number of DuckDB's vectors."""


def partitions(connection: duckdb.DuckDBPyConnection, source: Source) -> list[Partition]:
    """What a table's rows are divided into, each with its fingerprint."""
    key = source.partition_column
    rows = connection.execute(
        f"select {key or 'null'}, count(*), {_fingerprint(source)} "  # noqa: S608
        f"from {source.sql_name} {'group by all order by 1' if key else ''}"
    ).fetchall()
    return [
        Partition(_folder(source, value), count, fingerprint) for value, count, fingerprint in rows
    ]


def written_files(
    connection: duckdb.DuckDBPyConnection, source: Source, partition: Partition, scratch: Path
) -> Iterator[ExportedFile]:
    """Write a partition to the file `scratch`, once per part; it is there until the next part."""
    parts = max(1, -(-partition.rows // ROWS_PER_FILE))
    for part in range(parts):
        rows = min(ROWS_PER_FILE, partition.rows - part * ROWS_PER_FILE)
        select = f"{_select(source, partition)} {_order(source, is_cut=parts > 1)}"
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


def _folder(source: Source, value: date | None) -> str:
    if source.partition_column is None:
        return source.name
    return f"{source.name}/{PARTITION_COLUMN}={value.isoformat() if value else NO_DATE}"


def _select(source: Source, partition: Partition) -> str:
    columns = ", ".join(f"{value} as {identifier(name)}" for name, value in source.values.items())
    condition = ""
    if source.partition_column:
        value = partition.folder.rpartition("=")[2]
        is_value = "is null" if value == NO_DATE else f"= date {literal(value)}"
        condition = f"where {source.partition_column} {is_value}"
    return f"select {columns} from {source.sql_name} {condition}"  # noqa: S608


def _order(source: Source, *, is_cut: bool) -> str:
    """By time where there is one, else as the table is.

    What is cut in parts needs an order without ties: a row could be in two of them, or in none.
    """
    keys = ["submit_time"] if "submit_time" in source.columns else []
    if is_cut:
        keys += [identifier(name) for name in source.columns]
    return f"order by {', '.join(keys)}" if keys else ""


def _fingerprint(source: Source) -> str:
    """How many rows there are, and the sum of their hashes, in which no two of them cancel out.

    MD5 stays what it is; DuckDB's own hash may differ in its next version. A row of
    `async_invokes` is written anew whenever it changes, so when it was read stands for all of it.
    """
    if source.name == ROWS and "observed_at" in source.columns:
        hashed, newest = ["invocation_arn", "observed_at"], "max(epoch_us(observed_at)), "
    else:
        hashed, newest = list(source.exported_columns), ""
    texts = ", ".join(_text(source.values[name], source.exported_columns[name]) for name in hashed)
    # Null is told from empty text, and two columns' texts from one another.
    row = f"concat_ws(chr(31), {texts})"
    return f"concat_ws('-', count(*), {newest}sum(md5_number_lower({row})))"


def _text(value: str, kind: str) -> str:
    text = f"epoch_us({value})" if kind == INSTANT else value
    return f"coalesce(cast({text} as varchar), chr(0))"
