"""A lake of Iceberg tables: current rows after every commit, for whatever reads the catalog."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from dlt.common.destination.client import LoadJob, RunnableLoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.storages.load_package import load_package_state

from bedrock_async_etl.destinations import DATASET_NAME
from bedrock_async_etl.destinations.database.model_tables import DATED_BY, Fingerprints
from bedrock_async_etl.destinations.lake.filesystem import LakeClient
from bedrock_async_etl.destinations.lake.formats import (
    Compaction,
    LakeFormat,
    Layout,
    fingerprints_of,
)
from bedrock_async_etl.destinations.lake.iceberg.catalog import file_system_of, path_of
from bedrock_async_etl.destinations.lake.iceberg.compaction import compact, replaced_snapshots
from bedrock_async_etl.destinations.lake.iceberg.data_files import day_of
from bedrock_async_etl.destinations.lake.iceberg.models import IcebergModelFiles
from bedrock_async_etl.destinations.lake.iceberg.tables import IcebergTables
from bedrock_async_etl.destinations.lake.model_files import ModelFiles, is_of
from bedrock_async_etl.dlt_state import completed_files
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.options import GRACE_SECONDS
from bedrock_async_invokes.columns import ASYNC_INVOKES, EXTRACT_RUNS, TABLES, Table, no_rows


class DeferredJob(RunnableLoadJob):
    """Leaves a file for the end of its package. dlt waits a second for a job that never runs."""

    def run(self) -> None:
        """Do nothing."""


class IcebergClient(LakeClient):
    """Commits a package as a whole, and has the progress that goes with the table's snapshot."""

    tables: IcebergTables

    def get_load_job_class(self, table: PreparedTableSchema, file_path: str) -> type[LoadJob]:
        """The tables' files are committed at the end, all together."""
        if table["name"] in TABLES:
            return DeferredJob
        found: type[LoadJob] = super().get_load_job_class(table, file_path)
        return found

    def complete_load(self, load_id: str) -> None:
        """Store the progress in a file, and commit the rows in a snapshot that names it."""
        super().complete_load(load_id)
        files: dict[str, list[Path]] = defaultdict(list)
        for name, path in completed_files():
            files[name].append(path)
        rows = {name: _read(TABLES[name], files[name]) for name in files.keys() & TABLES.keys()}
        state = load_package_state()["state"].get("pipeline_state")
        progress = {state["pipeline_name"]: load_id} if state else {}
        self.tables.commit(rows, load_id, progress)

    def _list_dlt_table_files(self, table_name: str, *only: Any) -> Iterator[tuple[str, list[str]]]:
        """The progress files that the snapshot names, since it may have been rolled back."""
        listed = super()._list_dlt_table_files(table_name, *only)
        if table_name != self.schema.state_table_name:
            yield from listed
            return
        progress = self.tables.progress()
        yield from ((path, parts) for path, parts in listed if progress.get(parts[0]) == parts[1])


def _read(table: Table, paths: Sequence[Path]) -> pa.Table:
    """The rows of a package's files, which an earlier version may have written."""
    files = [str(path) for path in sorted(paths)]
    return pa.dataset.dataset(files, table.stored_schema, "parquet").to_table()


class Format(LakeFormat):
    """All tables are Iceberg tables, without old versions of rows."""

    needs = "pyiceberg", "iceberg"
    unreadable = re.compile(r"[#?%\x00-\x1f\x7f]")
    """These characters stand for others in a URL."""

    @cached_property
    def tables(self) -> IcebergTables:
        """The tables in the catalog."""
        return IcebergTables(self.files, self.catalog)

    def client_class(self, plain: type[Any]) -> type[Any]:
        return type("LakeIcebergClient", (IcebergClient,), {"tables": self.tables})

    @property
    def catalog_type(self) -> str | None:
        return self.tables.catalog_type

    def metadata_file(self, identifier: tuple[str, str]) -> str | None:
        table = self.tables.find(identifier)
        return table.metadata_location if table else None

    def named_progress(self) -> Mapping[str, str]:
        return self.tables.progress()

    def check_new(self) -> None:
        if not (self.files.is_local or self.catalog):
            raise UsageError(
                "A lake of Iceberg on S3 needs --catalog: glue, or a name in pyiceberg's own "
                "configuration."
            )
        _ = self.catalog and self.tables.catalog  # Make no lake if it cannot be opened.

    def model_files(self) -> ModelFiles:
        return IcebergModelFiles(self.files, self.tables)

    def layout(self, name: str) -> Layout:
        return "iceberg"

    def has_rows(self) -> bool:
        return bool(self._files(self._table(ASYNC_INVOKES.name)))

    def data_files(self, name: str) -> Sequence[str]:
        return [path_of(file.file_path) for file in self._files(self._table(name))]

    def rows(self, table: Table) -> pa.dataset.Dataset | pa.Table:
        """The files; a query does not open those of other days."""
        stored, schema = self._table(table.name), table.stored_schema
        files = self._files(stored)
        if not files or not stored:
            return no_rows(schema)
        return pa.dataset.FileSystemDataset.from_paths(
            [path_of(file.file_path) for file in files],
            schema=schema,
            format=pa.dataset.ParquetFileFormat(),
            filesystem=file_system_of(stored),
            partitions=[
                _holds_of(schema, day_of(file)) if table is ASYNC_INVOKES else None
                for file in files
            ],
        )

    def _table(self, name: str) -> Any:
        return self.tables.find((DATASET_NAME, name))

    def _files(self, table: Any) -> Sequence[Any]:
        """The files that have a table's rows now; none where there is no table."""
        tasks = list(table.scan().plan_files()) if table else []
        if any(task.delete_files for task in tasks):
            raise CommandError(
                f"Another program has deleted rows of the Iceberg table {table.name()[-1]}, in "
                "files of their own. Have that program rewrite the table's data files, such as by "
                "OPTIMIZE."
            )
        return [task.file for task in tasks]

    def fingerprints(
        self, before: Fingerprints, read: Sequence[str]
    ) -> tuple[Fingerprints, Sequence[str]]:
        """Fingerprints by date, of the files' names, which change whenever a row does."""
        found: dict[date | None, list[tuple[str, int]]] = defaultdict(list)
        for file in self._files(self._table(ASYNC_INVOKES.name)):
            found[day_of(file)].append((file.file_path, file.record_count))
        return fingerprints_of(found), ()

    def compact(self, grace_seconds: float) -> Sequence[Compaction]:
        manifest = self.model_files().read_manifest()
        kept = {posixpath.basename(name) for name in manifest.files}
        names = self.tables.names()
        return [compact(self.tables, name, grace_seconds, kept) for name in names]

    def is_compaction_due(self, after: int) -> bool:
        """True for more than `after` unneeded snapshots of `extract_runs`: every run adds one."""
        table = self._table(EXTRACT_RUNS.name)
        return table is not None and len(replaced_snapshots(table, GRACE_SECONDS)) > after


def _holds_of(schema: pa.Schema, day: date | None) -> pc.Expression:
    """The condition met by all invocations in a day's file."""
    return is_of(schema.field(DATED_BY), day) & is_of(schema.field("submit_time"), day)
