"""Upserts into Iceberg tables, by which the files of the days that they touch are replaced.

pyiceberg's own `upsert` compares every column of every row, and its overwrites make one snapshot
for what they remove and one for what they add. Here the files of a day take the place of its former
ones, in one snapshot, by pyiceberg's public means.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bedrock_async_etl.destinations.lake.commits import newest_versions
from bedrock_async_etl.destinations.lake.iceberg.data_files import (
    Part,
    by_day,
    day_of,
    partition_of,
    read,
    unique_name,
    write,
)
from bedrock_async_etl.destinations.lake.iceberg.schema import DAYS, schema_of, sorted_by
from bedrock_async_etl.destinations.lake.iceberg.snapshots import (
    Change,
)
from bedrock_async_etl.destinations.lake.model_files import NO_DATE
from bedrock_async_invokes.columns import Table

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as IcebergTable


def upserted(table: "IcebergTable", definition: Table, rows: pa.Table) -> Change:
    """The files of the days of some rows, with the newest version of each row.

    Files of other days are not read.
    """
    with_all_columns(table, definition)
    days = by_day(rows, DAYS.get(definition.name))
    stored = _files_by_day(table, days) if table.current_snapshot() else {}
    day_column = DAYS.get(definition.name)
    removed: list[DataFile] = []

    def parts() -> Iterator[Part]:
        for day, new in days.items():
            tasks = stored.get(day, [])
            old = read(table, tasks)
            same = new.select(old.column_names).cast(old.schema)
            merged = newest_versions(pa.concat_tables([old, same]), definition)
            removed.extend(task.file for task in tasks)
            yield Part(
                unique_name(str(day or NO_DATE)),
                merged.sort_by([(name, "ascending") for name in sorted_by(definition)]),
                partition_of(table, day) if day_column else None,
            )

    return Change(write(table.io, table.metadata, parts()), removed)


def with_all_columns(table: "IcebergTable", definition: Table) -> None:
    """Add the columns that a newer version of this program has."""
    if definition.stored_schema.names != list(table.schema().column_names):
        with table.update_schema() as update:
            update.union_by_name(schema_of(definition))


def _files_by_day(
    table: "IcebergTable", days: Mapping[date | None, Any]
) -> Mapping[date | None, Sequence["FileScanTask"]]:
    """The files of the days; manifests of other days are not read."""
    known = [day for day in days if day is not None]
    condition = "true"
    if len(known) == len(days):
        column, end = DAYS[table.name()[-1]], max(known) + timedelta(days=1)
        condition = f"{column} >= '{_start(min(known))}' and {column} < '{_start(end)}'"
    found: dict[date | None, list[FileScanTask]] = defaultdict(list)
    for task in table.scan(row_filter=condition).plan_files():
        found[day_of(task.file)].append(task)
    return found


def _start(day: date) -> str:
    return datetime.combine(day, datetime.min.time(), UTC).isoformat()
