"""Export the rows and the models as Parquet files; partitions that have not changed are kept."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import duckdb
from fsspec import AbstractFileSystem

from bedrock_async_etl.configuration import shared_files
from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME, Destination
from bedrock_async_etl.destinations.database.content import read_content
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.export.manifest import FORMAT, Manifest, TableEntry, read_manifest
from bedrock_async_etl.export.partitions import partitions
from bedrock_async_etl.files.parquet import (
    ROWS,
    Partition,
    Source,
    model_tables,
    read_source,
    table_names,
    written_files,
)
from bedrock_async_etl.files.publication import Publication, publication, recover
from bedrock_async_etl.files.urls import one_line_errors, open_url


@dataclass(frozen=True)
class TableExport:
    """The partitions of a table by their fate; those in `written` have files once written."""

    name: str
    source: Source | None
    """None for a table that is not read: it is gone, or left as it is."""
    written: Sequence[Partition]
    left: Sequence[Partition]
    removed: Sequence[str]
    """Folders."""

    @property
    def rows(self) -> int:
        """Rows of the whole table."""
        return sum(partition.rows for partition in self.partitions)

    @property
    def partitions(self) -> list[Partition]:
        """All that the table has, in order."""
        return sorted((*self.written, *self.left), key=attrgetter("folder"))

    def as_json(self) -> dict[str, Any]:
        """The table in `export --json`."""
        return {
            "name": self.name,
            "rows": self.rows,
            "written": [asdict(each) | {"bytes": each.bytes} for each in self.written],
            "removed": self.removed,
            "partitions_left": len(self.left),
        }


@dataclass(frozen=True)
class ExportResult:
    """The result of an export, or the plan of a dry run, in which nothing `written` has files."""

    url: str
    dry_run: bool
    tables: Sequence[TableExport]
    manifest: Manifest
    """The export's, as it is then."""
    is_first: bool
    """True if nothing had been exported to the URL before."""
    seconds: float

    @property
    def has_models(self) -> bool:
        return len(self.manifest.tables) > 1

    def as_json(self) -> dict[str, Any]:
        """The document that `export --json` prints."""
        return {
            "url": self.url,
            "dry_run": self.dry_run,
            "seconds": round(self.seconds, 3),
            "has_models": self.has_models,
            "tables": [table.as_json() for table in self.tables],
        }


def export_between_runs(
    destination: Destination, url: str, *, dry_run: bool = False
) -> ExportResult:
    """Bring the export at `url` in line with what a whole run has left in a destination.

    Raises `BusyError`, and what `export` raises. Where nothing is new, the destination is read
    briefly; otherwise it is copied first, which takes longer the larger it is.
    """
    started = time.monotonic()
    fs, root = open_url(url)
    content = _content_between_runs(destination)
    with one_line_errors(url):
        unchanged = _unchanged(content, fs, root, url, dry_run=dry_run)
    if unchanged:
        return replace(unchanged, seconds=time.monotonic() - started)
    with destination.connection_between_runs() as connection:
        return export(connection, url, dry_run=dry_run)


def _content_between_runs(destination: Destination) -> str | None:
    try:
        with destination.locked(), destination.connection() as connection:
            return read_content(connection)
    except duckdb.Error as error:
        raise CommandError(destination.explain(error)) from error


def _unchanged(
    content: str | None, fs: AbstractFileSystem, root: str, url: str, *, dry_run: bool
) -> ExportResult | None:
    """The export as it is, where it has the content and all of its files; else None."""
    before = read_manifest(fs, root, url)
    if content is None or before is None or before.content != content:
        return None
    if not dry_run:
        with shared_files():
            recover(fs, root)
    if not before.sizes.items() <= _sizes(fs, root).items():
        return None
    tables = [
        TableExport(name, None, (), entry.partitions, ()) for name, entry in before.tables.items()
    ]
    return ExportResult(url, dry_run, tables, before, is_first=False, seconds=0)


def export(
    connection: duckdb.DuckDBPyConnection, url: str, *, dry_run: bool = False
) -> ExportResult:
    """Bring the export at `url`, a local path or `s3://bucket/prefix`, in line with a database.

    `bedrock.async_invokes` has one row per ARN; `bedrock_analytics` may be missing. The connection
    is in no transaction. Raises `UsageError` or `CommandError`; the last export is whole then.
    """
    started = time.monotonic()
    fs, root = open_url(url)
    with one_line_errors(url), _snapshot(connection) as content:
        before = read_manifest(fs, root, url)
        now = {source: partitions(connection, source) for source in _sources(connection)}
        if not dry_run:
            with shared_files():
                recover(fs, root)
        tables = _planned(now, before, _sizes(fs, root))
        if not dry_run:
            tables = _publish(connection, fs, root, tables, before, content)
    manifest, seconds = _manifest_of(tables, content), time.monotonic() - started
    return ExportResult(url, dry_run, tables, manifest, before is None, seconds)


@contextmanager
def _snapshot(connection: duckdb.DuckDBPyConnection) -> Iterator[str | None]:
    """A transaction in which fingerprints and files are of the same rows.

    Yields the content from before it, since a missing table aborts a transaction.
    """
    content = read_content(connection)
    connection.begin()
    try:
        yield content
    finally:
        connection.rollback()


def _sources(connection: duckdb.DuckDBPyConnection) -> list[Source]:
    """The rows, then the models; raises `CommandError` where there are no rows."""
    if ROWS not in table_names(connection, DATASET_NAME):
        raise CommandError(
            f"There is no table {DATASET_NAME}.{ROWS} yet: load it first with `run`."
        )
    rows = read_source(connection, DATASET_NAME, ROWS)
    return [rows, *model_tables(connection, ANALYTICS_NAME)]


def _sizes(fs: AbstractFileSystem, root: str) -> dict[str, int]:
    """Bytes of all files of an export, by path under its root."""
    found: dict[str, dict[str, Any]] = fs.find(root, detail=True)
    return {path.removeprefix(f"{root}/"): info["size"] for path, info in found.items()}


def _publish(
    connection: duckdb.DuckDBPyConnection,
    fs: AbstractFileSystem,
    root: str,
    tables: Sequence[TableExport],
    before: Manifest | None,
    content: str | None,
) -> list[TableExport]:
    """Write what is planned; the tables, with the files that they got."""
    with publication(fs, root) as staging:
        staged = [_staged(connection, table, staging) for table in tables]
        manifest = _manifest_of(staged, content)
        replaced = before.sizes.keys() - manifest.sizes.keys() if before else ()
        with shared_files():
            staging.publish(manifest.as_json(), sorted(replaced))
    return staged


def _staged(
    connection: duckdb.DuckDBPyConnection, table: TableExport, staging: Publication
) -> TableExport:
    """Write and stage one file at a time: this machine may lack room for all.

    DuckDB's temporary files, such as rows that memory does not hold, stay private.
    """
    if table.source is None:
        return table
    written = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder, "part")
        for partition in table.written:
            files = []
            for file in written_files(connection, table.source, partition, scratch):
                with shared_files():
                    staging.stage(scratch, file.path)
                files.append(file)
            written.append(replace(partition, files=files))
    return replace(table, written=written)


def _planned(
    now: Mapping[Source, Sequence[Partition]], before: Manifest | None, sizes: Mapping[str, int]
) -> list[TableExport]:
    """Each table that there is or was; `sizes` are the bytes of the files there are, by path."""
    entries = before.tables if before else {}
    plans = [
        _table(source, partitions, entries.get(source.name), sizes)
        for source, partitions in now.items()
    ]
    gone = sorted(entries.keys() - {plan.name for plan in plans})
    return plans + [TableExport(name, None, (), (), entries[name].folders) for name in gone]


def _manifest_of(tables: Sequence[TableExport], content: str | None) -> Manifest:
    """The manifest once all is written."""
    entries = {
        table.name: TableEntry(
            table.source.exported_columns, table.source.partition_column, table.partitions
        )
        for table in tables
        if table.source
    }
    return Manifest(FORMAT, datetime.now(UTC), entries, content)


def _table(
    source: Source,
    partitions: Sequence[Partition],
    entry: TableEntry | None,
    sizes: Mapping[str, int],
) -> TableExport:
    """A table's plan: partitions with the same rows and columns, and all their files, stay."""
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
    removed = [folder for folder in entry.folders if folder not in folders] if entry else []
    return TableExport(source.name, source, written, left, removed)
