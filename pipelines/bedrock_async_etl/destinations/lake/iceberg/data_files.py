"""Data files of Iceberg tables: one for the rows of each day."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionKey
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata

DATA_FOLDER: Final = "data"
"""Of a table, where pyiceberg puts its data files."""
EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True)
class Part:
    """Rows of a new file."""

    name: str
    """Of the file, without its suffix."""
    rows: pa.Table
    partition: "PartitionKey | None" = None


def unique_name(part: str) -> str:
    """The name of a file that begins with that of its part."""
    return f"{part}_{uuid4()}"


def by_day(rows: pa.Table, column: str | None) -> dict[date | None, pa.Table]:
    """The rows of each day of a column in UTC; all of them as of no day without one."""
    if column is None:
        return {None: rows}
    days = pc.cast(rows[column], pa.date32())
    found = {
        day: rows.filter(pc.equal(days, pa.scalar(day, pa.date32())))
        for day in sorted(days.unique().drop_null().to_pylist())
    }
    if days.null_count:
        found[None] = rows.filter(days.is_null())
    return found


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

    return list(write_file(io, metadata, tasks()))


def partition_of(table: "IcebergTable", day: date | None) -> "PartitionKey":
    """The partition of a day, in a table that has days."""
    from pyiceberg.partitioning import PartitionFieldValue, PartitionKey

    [field] = table.spec().fields
    number = None if day is None else (day - EPOCH).days
    return PartitionKey([PartitionFieldValue(field, number)], table.spec(), table.schema())
