"""What of each table has to be written, what is left as it is, and what is removed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from bedrock_async_etl.export.manifest import FORMAT, Manifest, Partition, TableEntry
from bedrock_async_etl.export.tables import Source


@dataclass(frozen=True)
class TableExport:
    """What becomes of a table's partitions; those in `written` have files once they are."""

    name: str
    source: Source | None
    """None for a table that the last export had and that is gone."""
    written: Sequence[Partition]
    left: Sequence[Partition]
    removed: Sequence[str]
    """Folders."""

    @property
    def rows(self) -> int:
        """All that the table has."""
        return sum(partition.rows for partition in (*self.written, *self.left))

    def as_json(self) -> dict[str, Any]:
        """The table in `export --json`."""
        return {
            "name": self.name,
            "rows": self.rows,
            "written": [asdict(each) | {"bytes": each.bytes} for each in self.written],
            "removed": self.removed,
            "partitions_left": len(self.left),
        }


def planned(
    now: Mapping[Source, Sequence[Partition]], before: Manifest | None, sizes: Mapping[str, int]
) -> list[TableExport]:
    """Each table that there is or was; `sizes` are the bytes of the files there are, by path."""
    entries = before.tables if before else {}
    plans = [
        _table(source, partitions, entries.get(source.name), sizes)
        for source, partitions in now.items()
    ]
    gone = sorted(entries.keys() - {plan.name for plan in plans})
    return plans + [TableExport(name, None, (), (), _folders(entries[name])) for name in gone]


def manifest_of(tables: Sequence[TableExport]) -> Manifest:
    """The manifest once all is written."""
    entries = {table.name: _entry(table.source, table) for table in tables if table.source}
    return Manifest(FORMAT, datetime.now(UTC), entries)


def no_longer_current(before: Manifest | None, after: Manifest) -> list[str]:
    """Paths of the files that `after` has no more."""
    current = {file.path for file in after.files}
    return sorted({file.path for file in before.files} - current) if before else []


def _table(
    source: Source,
    partitions: Sequence[Partition],
    entry: TableEntry | None,
    sizes: Mapping[str, int],
) -> TableExport:
    """A partition is left if its rows and columns are as before, and all its files are there."""
    kept: dict[tuple[str, str], Partition] = {}
    if entry and entry.columns == source.exported_columns:
        kept = {
            (partition.folder, partition.fingerprint): partition
            for partition in entry.partitions
            if all(sizes.get(file.path) == file.bytes for file in partition.files)
        }
    keys = [(partition.folder, partition.fingerprint) for partition in partitions]
    written = [each for each, key in zip(partitions, keys, strict=True) if key not in kept]
    left = [kept[key] for key in keys if key in kept]
    folders = {partition.folder for partition in partitions}
    removed = [folder for folder in _folders(entry) if folder not in folders]
    return TableExport(source.name, source, written, left, removed)


def _folders(entry: TableEntry | None) -> list[str]:
    return [partition.folder for partition in entry.partitions] if entry else []


def _entry(source: Source, table: TableExport) -> TableEntry:
    partitions = sorted((*table.written, *table.left), key=lambda partition: partition.folder)
    return TableEntry(source.exported_columns, source.partition_column, partitions)
