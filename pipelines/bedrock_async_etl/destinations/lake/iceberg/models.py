"""The models of an Iceberg lake, each a table of its own."""

import posixpath
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.dataset
from pyarrow import fs

from bedrock_async_etl.destinations import ANALYTICS_NAME
from bedrock_async_etl.destinations.database.dates import Dates
from bedrock_async_etl.destinations.lake.iceberg.catalog import file_system_of, path_of
from bedrock_async_etl.destinations.lake.iceberg.compaction import files_of
from bedrock_async_etl.destinations.lake.iceberg.data_files import (
    DATA_FOLDER,
    Part,
    unique_name,
    write,
)
from bedrock_async_etl.destinations.lake.iceberg.snapshots import (
    current_files,
    removed_in_conflict,
    stage_files,
)
from bedrock_async_etl.destinations.lake.iceberg.tables import IcebergTables
from bedrock_async_etl.destinations.lake.model_files import (
    SUFFIX,
    Manifest,
    ModelFiles,
    Publishing,
    by_model,
    dataset_of,
)
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.publication import Publication, publication

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table, Transaction

COMMITS_AT_ONCE: Final = 8
COLUMNS: Final = "bedrock-async-etl.columns"
"""Property of a model's table: the columns of its rows."""


class IcebergModelFiles(ModelFiles):
    """Data files of Iceberg tables. The manifest names those that the last build has left."""

    def __init__(self, files: LakeFiles, tables: IcebergTables) -> None:
        super().__init__(files)
        self.tables = tables
        self.place = cache(self._place)

    def stored(self, manifest: Manifest) -> dict[str, list[str]]:
        """Names of the files of each model that has all files named in the manifest."""
        names = by_model(manifest.files)
        if not names:
            return {}
        with ThreadPoolExecutor(COMMITS_AT_ONCE) as pool:
            places = dict(zip(names, pool.map(self.place, names), strict=True))
        there = {*self.files.glob(f"{ANALYTICS_NAME}/*/{DATA_FOLDER}/*{SUFFIX}")}
        for place in places.values():
            there |= place.files
        return {model: files for model, files in names.items() if {*map(self.path, files)} <= there}

    def path(self, name: str) -> str:
        model, file = posixpath.split(name)
        return f"{self.place(model).folder}/{file}"

    def dataset(
        self, names: Sequence[str], dated: tuple[str, str] | None = None
    ) -> pa.dataset.Dataset:
        [model] = by_model(names)
        paths = [self.path(name) for name in names]
        return dataset_of(self.place(model).file_system, paths, dated)

    def _place(self, model: str) -> "Place":
        """The place of a model's files; a REST catalog is asked for the place and the files."""
        identifier = (ANALYTICS_NAME, model)
        if known := self.tables.place(identifier):
            return Place(f"{path_of(known)}/{DATA_FOLDER}", self.files.arrow_filesystem)
        table = self.tables.find(identifier)
        if table is None:
            return Place("", self.files.arrow_filesystem)
        return Place(
            path_of(table.location_provider().data_path),
            file_system_of(table),
            files_of(table).data,
        )

    @contextmanager
    def publishing(self, models: Collection[str]) -> Iterator[Publishing]:
        with (
            publication(self.files.filesystem, self.files.path(ANALYTICS_NAME)) as staging,
            ThreadPoolExecutor(COMMITS_AT_ONCE) as pool,
        ):
            yield IcebergPublishing(staging, self.tables, models, pool)


@dataclass(frozen=True)
class Place:
    """The folder of a model's data files."""

    folder: str
    file_system: fs.FileSystem
    files: AbstractSet[str] = frozenset()
    """Paths of the files of the table's snapshots, where the folder may not be listed."""


@dataclass(frozen=True)
class Stored:
    """A model's table, if it is there, and its files."""

    table: "Table | None"
    files: Sequence["DataFile"]


@dataclass
class Draft:
    """The next snapshot of a model's table."""

    table: "Table"
    transaction: "Transaction"
    has_other_columns: bool
    names: list[str] = field(default_factory=list)
    added: list[Future[list["DataFile"]]] = field(default_factory=list)


class IcebergPublishing(Publishing):
    """New files of tables, which are committed many at once: each commit waits for the catalog."""

    def __init__(
        self,
        staging: Publication,
        tables: IcebergTables,
        models: Collection[str],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._staging, self._tables, self._pool = staging, tables, pool
        self._stored = dict(zip(models, pool.map(self._find, models), strict=True))
        self._drafts: dict[str, Draft] = {}
        self._slots = BoundedSemaphore(2 * COMMITS_AT_ONCE)
        """Rows that wait to be written take memory."""

    def _find(self, model: str) -> Stored:
        table = self._tables.find((ANALYTICS_NAME, model))
        return Stored(table, current_files(table) if table else ())

    def dates_to_write(self, model: str, dates: Dates | None, names: Sequence[str]) -> Dates | None:
        """All dates (None), too, where the table has other files than the last build left."""
        there = {_name(model, file) for file in self._stored[model].files}
        return dates if there == {*names} else None

    def add(self, connection: duckdb.DuckDBPyConnection, model: str, part: str, select: str) -> str:
        rows = connection.sql(select).to_arrow_table()
        if model not in self._drafts:
            self._drafts[model] = self._begin(model, rows.schema)
        draft, name = self._drafts[model], unique_name(part)
        parts, metadata = [Part(name, rows)], draft.transaction.table_metadata
        self._slots.acquire()
        writing = self._pool.submit(write, draft.table.io, metadata, parts)
        writing.add_done_callback(lambda _: self._slots.release())
        draft.added.append(writing)
        draft.names.append(f"{model}/{name}{SUFFIX}")
        return draft.names[-1]

    def _begin(self, model: str, schema: pa.Schema) -> Draft:
        """A transaction in which the columns of a model's table are those of its rows."""
        columns, table = schema.to_string(), self._stored[model].table
        if table is None:
            identifier = (ANALYTICS_NAME, model)
            table = self._tables.create(identifier, schema, properties={COLUMNS: columns})
        transaction = table.transaction()
        if table.properties.get(COLUMNS) == columns:
            return Draft(table, transaction, has_other_columns=False)
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            for name in table.schema().column_names:
                update.delete_column(name)
        with transaction.update_schema() as update:
            update.union_by_name(schema)
        transaction.set_properties({COLUMNS: columns})
        return Draft(table, transaction, has_other_columns=True)

    def publish(self, manifest: Manifest, removed: Sequence[str]) -> None:
        from pyiceberg.exceptions import CommitFailedException, ValidationException

        kept = {model: {*names} for model, names in by_model(manifest.files).items()}
        for model, draft in self._drafts.items():
            if draft.has_other_columns and kept[model] - {*draft.names}:
                raise CommandError(
                    f"The columns of {model} have other types now: run `models --full`."
                )

        def commit(model: str) -> None:
            draft = self._drafts[model]
            added = [file for written in draft.added for file in written.result()]
            stored = self._stored[model].files
            replaced = [file for file in stored if _name(model, file) not in kept[model]]
            try:
                with removed_in_conflict(draft.table.io, added):
                    stage_files(draft.transaction, added, replaced)
                    draft.transaction.commit_transaction()
            except (CommitFailedException, ValidationException) as error:
                raise CommandError(
                    f"Another program has changed the table of {model}: run `models` again."
                ) from error

        for model in (by_model(removed).keys() & kept.keys()) - self._drafts.keys():
            if table := self._stored[model].table:
                self._drafts[model] = Draft(table, table.transaction(), has_other_columns=False)
        list(self._pool.map(commit, self._drafts))
        self._staging.publish(msgspec.json.encode(manifest))
        self._tables.purge_models({name for name, _ in manifest.definitions})


def _name(model: str, file: "DataFile") -> str:
    """The name of a table's file in the manifest."""
    return f"{model}/{posixpath.basename(file.file_path)}"
