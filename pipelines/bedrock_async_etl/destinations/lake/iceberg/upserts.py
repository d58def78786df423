"""Upserts into Iceberg tables, which replace the files of the days that they touch.

pyiceberg's own `upsert` compares every column of every row, and its overwrites make one snapshot
for what they remove and one for what they add. Here the files of a day take the place of its former
ones, in one snapshot, by pyiceberg's public means.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from bedrock_async_etl.destinations.lake.commits import newest_versions
from bedrock_async_etl.destinations.lake.iceberg.data_files import (
    DAYS,
    Part,
    day_of,
    days_of,
    distinct,
    partition_of,
    read,
    rows_of,
    schema_of,
    sorted_by,
    unique_name,
    write,
)
from bedrock_async_etl.destinations.lake.model_files import NO_DATE
from bedrock_async_invokes.columns import Table

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as IcebergTable


def upserted(
    table: "IcebergTable", definition: Table, rows: pa.Table
) -> tuple[Sequence["DataFile"], Sequence["DataFile"]]:
    """New files of the days of some rows, with the newest version of each row, and replaced ones.

    Files of other days are not read, except for rows that had no day, or lost theirs.
    """
    with_all_columns(table, definition)
    day_column = DAYS.get(definition.name)
    touched = distinct(days_of(rows, day_column))
    elsewhere = _versions_elsewhere(table, definition, rows)
    if elsewhere is not None:
        versions = pa.concat_tables([elsewhere, with_schema(rows, elsewhere.schema)])
        touched = distinct(days_of(versions, day_column))
        rows = newest_versions(versions, definition)
    days, stored = days_of(rows, day_column), _files_by_day(table, touched)
    removed: list[DataFile] = []

    def parts() -> Iterator[Part]:
        for day in touched:
            new, tasks = rows_of(rows, days, day), stored.get(day, [])
            old = read(table, tasks)
            if elsewhere is not None:
                old = _without(old, elsewhere, definition)
            both = pa.concat_tables([old, with_schema(new, old.schema)])
            merged = newest_versions(both, definition)
            removed.extend(task.file for task in tasks)
            if merged.num_rows:
                yield Part(
                    unique_name(str(day or NO_DATE)),
                    merged.sort_by([(name, "ascending") for name in sorted_by(definition)]),
                    partition_of(table, day) if day_column else None,
                )

    return write(table.io, table.metadata, parts()), removed


def _versions_elsewhere(
    table: "IcebergTable", definition: Table, rows: pa.Table
) -> pa.Table | None:
    """The stored versions of rows that had no day, or have none; None without such rows."""
    from pyiceberg.expressions import In

    day_column = DAYS.get(definition.name)
    if day_column is None or len(definition.key) > 1:
        return None
    [key] = definition.key
    undated = table.scan(row_filter=f"{day_column} is null", selected_fields=(key,)).to_arrow()[key]
    new = rows[key].cast(undated.type)
    moved = pc.or_(pc.is_in(new, undated), rows[day_column].is_null())
    keys = rows[key].filter(moved).unique().to_pylist()
    if not keys:
        return None
    is_one_of: Any = In  # It takes names and values, which its types leave out.
    return table.scan(row_filter=is_one_of(key, keys)).to_arrow()


def with_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows in the columns that are stored; those that another program added are null."""
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _without(rows: pa.Table, others: pa.Table, definition: Table) -> pa.Table:
    """Rows without those whose keys are in others."""
    [key] = definition.key
    return rows.filter(pc.invert(pc.is_in(rows[key], others[key].cast(rows[key].type))))


def with_all_columns(table: "IcebergTable", definition: Table) -> None:
    """Add the columns that a newer version of this program has."""
    if definition.stored_schema.names != list(table.schema().column_names):
        with table.update_schema() as update:
            update.union_by_name(schema_of(definition))


def _files_by_day(
    table: "IcebergTable", days: Sequence[date | None]
) -> Mapping[date | None, Sequence["FileScanTask"]]:
    """The files of the days; manifests of other days are not read."""
    known = [day for day in days if day is not None]
    conditions = ["true"]
    if known and (column := DAYS.get(table.name()[-1])):
        start, end = min(known), max(known) + timedelta(days=1)
        conditions = [f"{column} >= '{_start(start)}' and {column} < '{_start(end)}'"]
        if None in days:  # Apart, as pyiceberg fails for `or` where a partition is null.
            conditions.append(f"{column} is null")
    found: dict[date | None, list[FileScanTask]] = defaultdict(list)
    for condition in conditions:
        for task in table.scan(row_filter=condition).plan_files():
            found[day_of(task.file)].append(task)
    return found


def _start(day: date) -> str:
    return datetime.combine(day, datetime.min.time(), UTC).isoformat()
