"""Data files of Iceberg tables, one for the rows of each day: their columns, days and order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from bedrock_async_invokes.columns import ASYNC_INVOKES, EXTRACT_RUNS, Table

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionKey
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata

DAYS: Final = {ASYNC_INVOKES.name: "submit_time", EXTRACT_RUNS.name: "started_at"}
"""Columns by whose UTC day a table is partitioned. `vanished_invokes` is not, as an invocation may
come back and vanish again on another day."""
DATA_FOLDER: Final = "data"
"""Folder of a table in which pyiceberg puts data files."""
FILES_AT_ONCE: Final = 8
"""pyiceberg holds their rows in memory while it writes them."""
EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True)
class Part:
    """Rows of a new file."""

    name: str
    """The file's, without its suffix."""
    rows: pa.Table
    partition: "PartitionKey | None" = None


def schema_of(definition: Table) -> "Schema":
    """The Iceberg schema of a table, with the meanings of its columns."""
    from pyiceberg.io.pyarrow import pyarrow_to_schema

    meanings = {each.name: each.meaning for each in definition.columns}
    fields = [
        each.with_metadata(
            {"PARQUET:field_id": str(number), "doc": meanings.get(each.name, "Load of dlt.")}
        )
        for number, each in enumerate(definition.stored_schema, 1)
    ]
    return pyarrow_to_schema(pa.schema(fields))


def sorted_by(definition: Table) -> Sequence[str]:
    """The columns by which the rows of a file are sorted."""
    day = DAYS.get(definition.name)
    return [*([day] if day else []), *definition.key]


def unique_name(part: str) -> str:
    """The name of a file that begins with that of its part."""
    return f"{part}_{uuid4()}"


def days_of(rows: pa.Table, column: str | None) -> pa.ChunkedArray:
    """The day of each row by a column, in UTC; null where that is null, or there is no column."""
    if column is None:
        return pa.chunked_array([pa.nulls(rows.num_rows, pa.date32())])
    return pc.cast(rows[column], pa.date32())


def distinct(days: pa.ChunkedArray) -> list[date | None]:
    """The days in ascending order; None, for rows without a day, is last."""
    found = days.unique()
    return [*sorted(found.drop_null().to_pylist()), *([None] if found.null_count else [])]


def rows_of(rows: pa.Table, days: pa.ChunkedArray, day: date | None) -> pa.Table:
    """The rows of a day, given the day of each row."""
    return rows.filter(days.is_null() if day is None else pc.equal(days, day))


def day_of(file: "DataFile") -> date | None:
    """The day of a file's rows; None for those without one, and in tables without days."""
    number = file.partition[0] if len(file.partition) else None
    return None if number is None else EPOCH + timedelta(days=number)


def read(table: "IcebergTable", tasks: Sequence["FileScanTask"]) -> pa.Table:
    """The rows of some files of a table, less those that another writer has deleted."""
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import ArrowScan

    return ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue()).to_table(tasks)


def write(io: "FileIO", metadata: "TableMetadata", parts: Iterable[Part]) -> list["DataFile"]:
    """New files of a table, one for each part; no snapshot has them yet."""
    from pyiceberg.io.pyarrow import write_file
    from pyiceberg.table import WriteTask

    class NamedTask(WriteTask):
        def generate_data_file_filename(self, extension: str) -> str:
            return f"{names[self.task_id]}.{extension}"

    names: list[str] = []

    def tasks() -> Iterator[WriteTask]:
        for part in parts:
            schema = metadata.schema()
            batches = part.rows.to_batches() or [pa.RecordBatch.from_pylist([], part.rows.schema)]
            names.append(part.name)
            number = len(names) - 1
            yield NamedTask(uuid4(), number, schema, batches, partition_key=part.partition)

    queue = tasks()
    written: list[DataFile] = []
    while some := [*islice(queue, FILES_AT_ONCE)]:
        written += write_file(io, metadata, iter(some))
    return written


def partition_of(table: "IcebergTable", day: date | None) -> "PartitionKey":
    """The partition of a day, in a table that has days."""
    from pyiceberg.partitioning import PartitionFieldValue, PartitionKey

    [field] = table.spec().fields
    number = None if day is None else (day - EPOCH).days
    return PartitionKey([PartitionFieldValue(field, number)], table.spec(), table.schema())
