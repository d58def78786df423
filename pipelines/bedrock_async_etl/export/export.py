"""Export the rows and the models as Parquet files; what has not changed is left as it is."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
from fsspec import AbstractFileSystem

from bedrock_async_etl.export.manifest import ExportedFile, Manifest, Partition, read_manifest
from bedrock_async_etl.export.plan import TableExport, manifest_of, no_longer_current, planned
from bedrock_async_etl.export.tables import Source, sources
from bedrock_async_etl.files.parquet import partitions, written_files
from bedrock_async_etl.files.publication import Publication, publication, recover
from bedrock_async_etl.files.urls import one_line_errors, open_url


@dataclass(frozen=True)
class ExportResult:
    """What an export did; in a dry run what it would do, and nothing that is `written` has files.

    `manifest` is that of the export as it is then.
    """

    url: str
    dry_run: bool
    tables: Sequence[TableExport]
    manifest: Manifest
    is_first: bool
    """Whether nothing had been exported to the URL before."""
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


def export(
    connection: duckdb.DuckDBPyConnection, url: str, *, dry_run: bool = False
) -> ExportResult:
    """Bring the export at `url`, a local path or `s3://bucket/prefix`, in line with a database.

    `bedrock.async_invokes` has one row per ARN; `bedrock_analytics` may be missing. The connection
    is in no transaction. Raises `UsageError` or `CommandError`; the last export is whole then.
    """
    started = time.monotonic()
    fs, root = open_url(url)
    with one_line_errors(url), _snapshot(connection):
        before = read_manifest(fs, root, url)
        now = {source: partitions(connection, source) for source in sources(connection)}
        if not dry_run:
            recover(fs, root)
        tables = planned(now, before, _sizes(fs, root))
        if not dry_run:
            tables = _publish(connection, fs, root, tables, before)
    manifest, seconds = manifest_of(tables), time.monotonic() - started
    return ExportResult(url, dry_run, tables, manifest, before is None, seconds)


@contextmanager
def _snapshot(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Fingerprints and files are of the same rows, whatever is committed in between."""
    connection.begin()
    try:
        yield
    finally:
        connection.rollback()


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
) -> list[TableExport]:
    """Write what is planned; the tables, with the files that they got."""
    with publication(fs, root) as staging:
        staged = [_staged(connection, table, staging) for table in tables]
        manifest = manifest_of(staged)
        staging.publish(manifest.as_json(), no_longer_current(before, manifest))
    return staged


def _staged(
    connection: duckdb.DuckDBPyConnection, table: TableExport, staging: Publication
) -> TableExport:
    if table.source is None:
        return table
    written = [
        replace(partition, files=_staged_files(connection, table.source, partition, staging))
        for partition in table.written
    ]
    return replace(table, written=written)


def _staged_files(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    partition: Partition,
    staging: Publication,
) -> list[ExportedFile]:
    """Write and stage a file at a time: this machine may have room for one, and not for all."""
    files = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder, "part")
        for file in written_files(connection, source, partition, scratch):
            staging.stage(scratch, file.path)
            files.append(file)
    return files
