"""The models of a lake: Parquet files, of a large model that has dates one for each date.

A build works in a DuckDB of its own, in which a model is a view of its files, or of those of the
dates that stay and a table of what was built anew. Its end publishes the files of what is new.
"""

import posixpath
import tempfile
from collections.abc import Iterator, Sequence, Set
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from bedrock_async_etl.destinations import ANALYTICS_NAME
from bedrock_async_etl.destinations.database.dates import DAY, Dates, has_date_in
from bedrock_async_etl.destinations.database.model_tables import (
    BUILD_SETTINGS,
    BUILDS_NAME,
    TABLES,
    Fingerprints,
    ModelTables,
    keep,
    model_table,
)
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.parquet import folder_name, read_source, write
from bedrock_async_etl.files.publication import publication, published_manifest
from bedrock_async_etl.formatting import identifier

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.lake.formats import LakeFormat

MANIFEST_VERSION: Final = 2
ROWS_IN_ONE_FILE: Final = 20_000
"""Of a model that has dates: above that, each date has a file of its own."""
MODEL_FILES: Final = f"{ANALYTICS_NAME}/*/*.parquet"
SUFFIX: Final = ".parquet"
WHOLE: Final = "part-0"
NO_DATE: Final = "no-date"
KEPT: Final = ("definitions", "fingerprints", "checked", "broken")
"""The tables of `bedrock_builds`, which the manifest keeps."""
FILES_NAME: Final = "bedrock_files"
"""The schema of the models as their files have them."""
WRITTEN_NAME: Final = "bedrock_written"
"""The schema of the rows that were built anew, where the others stay as they are."""

Kept = Sequence[tuple[str, date | None, int, str, int]]
"""Table, date, rows, fingerprint, and the build in which they changed last."""


class Manifest(msgspec.Struct):
    """Of the models of a lake: what the next build has to know of this one."""

    version: int = MANIFEST_VERSION
    files: Sequence[str] = ()
    dated: dict[str, tuple[str, str]] = {}
    """Column and its type, by which a model has a file for each date."""
    read: Sequence[str] = ()
    """Names of the files of invocations that the models are built from."""
    definitions: Sequence[tuple[str, str]] = ()
    fingerprints: Kept = ()
    checked: Sequence[tuple[str, str, int]] = ()
    broken: Sequence[tuple[str, date | None]] = ()


def read_manifest(files: LakeFiles) -> Manifest:
    """The manifest of the models; one without contents where there is none of this version."""
    content = published_manifest(files.filesystem, files.path(ANALYTICS_NAME)) or b"{}"
    try:
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.ValidationError:
        return Manifest()


def add_kept(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    """Make the tables of what the last build has kept."""
    connection.execute(TABLES)
    for name in KEPT:
        keep(connection, name, getattr(manifest, name))


def add_models(
    connection: duckdb.DuckDBPyConnection,
    files: LakeFiles,
    manifest: Manifest,
    schema: str = ANALYTICS_NAME,
) -> list[str]:
    """Make views of the models that the lake has, in a schema; returns their names."""
    connection.execute(f"create schema {schema}")
    paths = files.glob(MODEL_FILES)
    names = []
    for folder, each in groupby(paths, key=posixpath.dirname):
        names.append(posixpath.basename(folder))
        registered = f"{schema}_{names[-1]}"
        dated = manifest.dated.get(names[-1])
        connection.register(registered, _dataset(files, list(each), dated))
        view = f"{schema}.{identifier(names[-1])}"
        connection.execute(f"create view {view} as from {identifier(registered)}")
    return names


def _dataset(
    files: LakeFiles, paths: Sequence[str], dated: tuple[str, str] | None
) -> pa.dataset.Dataset:
    """The files of a model. Those of other dates than a query is about are not opened."""
    parquet = pa.dataset.ParquetFileFormat()
    whole = pa.dataset.dataset(list(paths), format=parquet, filesystem=files.arrow_filesystem)
    if dated is None:
        return whole
    return pa.dataset.FileSystemDataset.from_paths(
        list(paths),
        schema=whole.schema,
        format=parquet,
        filesystem=files.arrow_filesystem,
        partitions=[_is_of(whole.schema.field(dated[0]), _day_of(path)) for path in paths],
    )


def _is_of(field: pa.Field, day: date | None) -> pc.Expression:
    """What holds of all rows in the file of a date."""
    column = pc.field(field.name)
    if day is None:
        return column.is_null()
    if pa.types.is_date(field.type):
        return column == pa.scalar(day)
    start, end = (
        pa.scalar(datetime.combine(each, datetime.min.time(), UTC), field.type)
        for each in (day, day + DAY)
    )
    return (column >= start) & (column < end)


def _day_of(path: str) -> date | None:
    name = posixpath.basename(path).removesuffix(SUFFIX)
    return None if name == NO_DATE else date.fromisoformat(name)


class LakeModelTables(ModelTables):
    """The models of a lake while they are built."""

    kind = "view"

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        lake_format: "LakeFormat",
        manifest: Manifest,
    ) -> None:
        super().__init__(connection)
        self.files, self._format = lake_format.files, lake_format
        self._manifest = manifest
        self._dated = dict(manifest.dated)
        self._read = manifest.read
        self.new: dict[str, Dates | None] = {}
        """The models that were made, and of others the dates that were built anew."""

    @classmethod
    def open(cls, connection: duckdb.DuckDBPyConnection, lake_format: "LakeFormat") -> Self:
        """The models that a lake has, in a connection that has its tables."""
        files = lake_format.files
        manifest = read_manifest(files)
        names = add_models(connection, files, manifest, FILES_NAME)
        add_kept(connection, manifest)
        connection.execute(f"{BUILD_SETTINGS}; create schema {WRITTEN_NAME}")
        for name in names:
            view = f"{FILES_NAME}.{identifier(name)}"
            connection.execute(f"create view {model_table(name)} as from {view}")
        return cls(connection, lake_format, manifest)

    @property
    def stored(self) -> dict[str, list[str]]:
        """Names of the files of each model that the lake has."""
        root = f"{self.files.path(ANALYTICS_NAME)}/"
        found: dict[str, list[str]] = {}
        for path in self.files.glob(MODEL_FILES):
            name = path.removeprefix(root)
            found.setdefault(posixpath.dirname(name), []).append(name)
        return found

    def names(self) -> set[str]:
        """The models that are there with all the files that they had."""
        there = {path for paths in self.stored.values() for path in paths}
        lost = {posixpath.dirname(path) for path in set(self._manifest.files) - there}
        return super().names() - lost

    def input_fingerprints(self, before: Fingerprints) -> Fingerprints:
        found, self._read = self._format.fingerprints(before, self._read)
        return found

    def create(self, name: str, select: str) -> None:
        self.drop(name)
        super().create(folder_name(name), select)
        self.new[name] = None

    def stage(self, name: str, select: str, versioned_by: Sequence[str]) -> str:
        self.connection.execute(f"create table {_written(name)} as {select}")
        return _written(name)

    def replace(self, name: str, rows: str, dates: Dates, condition: str) -> None:
        """Have the rows of other dates from the files, and those of some dates from a table."""
        stored = f"{FILES_NAME}.{identifier(name)}"
        self.new[name] = dates
        self.connection.execute(
            f"create or replace view {model_table(name)} as "
            f"from {stored} where ({condition}) is not true union all from {rows} where {condition}"
        )

    def leave(self, name: str) -> None:
        del self.new[name]

    def add_whole(self, name: str, rows: str) -> None:
        """Have a model that was made elsewhere, of a table."""
        self.drop(name)
        self.new[name] = None
        self.connection.execute(f"create view {model_table(name)} as from {rows}")

    def register(self, name: str, paths: Sequence[str]) -> str:
        """The table of a model's rows that were written elsewhere, in files."""
        registered = f"built_{name}"
        self.connection.register(registered, _dataset(self.files, paths, None))
        return identifier(registered)

    def publish(self) -> None:
        """Write the files of what is new, and publish them with what the next build has to know."""
        kept = {name: self.connection.table(f"{BUILDS_NAME}.{name}").fetchall() for name in KEPT}
        if not self.new and all(kept[name] == getattr(self._manifest, name) for name in KEPT):
            return
        models = {name for name, _ in kept["definitions"]}
        stored = {path for paths in self.stored.values() for path in paths}
        removed = {path for path in stored if posixpath.dirname(path) not in models}
        with (
            tempfile.TemporaryDirectory() as folder,
            publication(self.files.filesystem, self.files.path(ANALYTICS_NAME)) as staging,
        ):
            for name, dates in self.new.items():
                removed |= self._replaced(name, dates, stored)
                for path, select in self._selects(name, dates, kept["fingerprints"]):
                    write(self.connection, select, Path(folder, "model"))
                    staging.stage(Path(folder, "model"), path)
            files = (stored - removed) | set(staging.names)
            manifest = Manifest(
                MANIFEST_VERSION, sorted(files), self._dated, self._read, *kept.values()
            )
            staging.publish(msgspec.json.encode(manifest), sorted(removed - set(staging.names)))

    def _replaced(self, name: str, dates: Dates | None, stored: Set[str]) -> set[str]:
        """The files of a model that have none of its rows any more, once it is written."""
        if dates is None or name not in self._dated:
            return {path for path in stored if posixpath.dirname(path) == name}
        return {_file_of(name, day) for day in dates} & stored

    def _selects(self, name: str, dates: Dates | None, kept: Kept) -> Iterator[tuple[str, str]]:
        """The files of a model that have to be written, and their rows."""
        select = read_source(self.connection, ANALYTICS_NAME, name).all_rows
        rows = {day: count for table, day, count, *_ in kept if table == f"{ANALYTICS_NAME}.{name}"}
        dated = self.dated.get(name)
        if dates is None or name not in self._dated:
            self._dated.pop(name, None)
            if dated is None or sum(rows.values()) <= ROWS_IN_ONE_FILE:
                yield f"{name}/{WHOLE}{SUFFIX}", select
                return
            self._dated[name] = dated
            dates = frozenset(rows)
        column, kind = self._dated[name]
        for day in sorted(dates & rows.keys(), key=str):
            is_of = has_date_in(identifier(column), kind, [day])
            yield _file_of(name, day), f"{select} where {is_of}"


def _file_of(model: str, day: date | None) -> str:
    return f"{model}/{day or NO_DATE}{SUFFIX}"


def _written(name: str) -> str:
    return f"{WRITTEN_NAME}.{identifier(name)}"
