"""The models of a lake: Parquet files, one for each date of a large model that has dates.

A build works in a DuckDB of its own, in which a model is a view of its files, or of the files of
unchanged dates and a table of rebuilt ones. At its end it publishes the new files.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Final, Self

import duckdb

from bedrock_async_etl.destinations import ANALYTICS_NAME
from bedrock_async_etl.destinations.database.dates import Dates, has_date_in
from bedrock_async_etl.destinations.database.model_tables import (
    BUILD_SETTINGS,
    BUILDS_NAME,
    INPUT,
    TABLES,
    Fingerprint,
    Fingerprints,
    ModelTables,
    keep,
    model_table,
)
from bedrock_async_etl.destinations.lake.model_files import (
    WHOLE,
    Kept,
    Manifest,
    ModelFiles,
    by_model,
    dataset_of,
    part_in,
    part_of,
)
from bedrock_async_etl.destinations.lake.tables import connected, register
from bedrock_async_etl.files.parquet import folder_name, read_source
from bedrock_async_etl.formatting import identifier

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.lake.formats import LakeFormat

ROWS_IN_ONE_FILE: Final = 10_000
"""Rows of a dated model above which each date has its own file."""
KEPT: Final = ("definitions", "fingerprints", "checked", "broken")
"""The tables of `bedrock_builds`, which the manifest keeps."""
FILES_NAME: Final = "bedrock_files"
"""The schema of the models as their files have them."""
WRITTEN_NAME: Final = "bedrock_written"
"""The schema of rebuilt rows, where the others stay as they are."""


def add_kept(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    """Make the tables that the last build has kept."""
    connection.execute(TABLES)
    for name in KEPT:
        keep(connection, name, getattr(manifest, name))


def add_models(
    connection: duckdb.DuckDBPyConnection,
    model_files: ModelFiles,
    manifest: Manifest,
    schema: str = ANALYTICS_NAME,
) -> list[str]:
    """Make views of the models that the lake has, in a schema; returns their names."""
    connection.execute(f"create schema {schema}")
    stored = model_files.stored(manifest)
    for model, names in stored.items():
        register(connection, schema, model, model_files.dataset(names, manifest.dated.get(model)))
    return list(stored)


class LakeModelTables(ModelTables):
    """The models of a lake while they are built."""

    kind = "view"
    portion_rows: ClassVar[int | None] = 1_000_000
    """Lower than for a database, as the rows that are built stay in memory until publication."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        model_files: ModelFiles,
        manifest: Manifest,
        fingerprints: Fingerprints,
        read: Sequence[str],
    ) -> None:
        """With fingerprints of the invocations by date, and the names of the files behind them."""
        super().__init__(connection)
        self.model_files, self.files = model_files, model_files.files
        self._manifest, self._fingerprints, self._read = manifest, fingerprints, read
        self._dated = dict(manifest.dated)
        self.new: dict[str, Dates | None] = {}
        """The models that were made, and of others the dates that were built anew."""

    @classmethod
    @contextmanager
    def open(cls, lake_format: "LakeFormat") -> Iterator[Self]:
        """The models that a lake has, in a connection that has its tables."""
        model_files = lake_format.model_files()
        manifest = model_files.read_manifest()
        before = {
            day: Fingerprint(rows, value)
            for table, day, rows, value, _ in manifest.fingerprints
            if table == INPUT
        }
        # Before the rows: those that are loaded meanwhile are news to the next build.
        fingerprints, read = lake_format.fingerprints(before, manifest.read)
        with connected(lake_format, is_by_date=True) as lake:
            names = add_models(lake, model_files, manifest, FILES_NAME)
            add_kept(lake, manifest)
            lake.execute(f"{BUILD_SETTINGS}; create schema {WRITTEN_NAME}")
            for name in names:
                view = f"{FILES_NAME}.{identifier(name)}"
                lake.execute(f"create view {model_table(name)} as from {view}")
            yield cls(lake, model_files, manifest, fingerprints, read)

    @property
    def stored(self) -> dict[str, list[str]]:
        """Names of the files of each model that the lake has."""
        return self.model_files.stored(self._manifest)

    def names(self) -> set[str]:
        """The models that still have all their files."""
        stored = self.stored
        whole = by_model(self._manifest.files)
        lost = {model for model, files in whole.items() if not {*files} <= {*stored.get(model, ())}}
        return super().names() - lost

    def input_fingerprints(self, before: Fingerprints) -> Fingerprints:
        return self._fingerprints

    def create(self, name: str, selects: Sequence[str]) -> None:
        self.drop(name)
        super().create(folder_name(name), selects)
        self.new[name] = None

    def renew(self, name: str, selects: Sequence[str], dated: tuple[str, str]) -> bool:
        """Do nothing: files are written whole."""
        return False

    def stage(self, name: str, selects: Sequence[str], versioned_by: Sequence[str]) -> str:
        self._fill("table", _written(name), selects)
        return _written(name)

    def replace(self, name: str, rows: str, dates: Dates, condition: str) -> None:
        """Take the rows of some dates from a table, and those of others from the files."""
        stored = f"{FILES_NAME}.{identifier(name)}"
        self.new[name] = dates
        self.connection.execute(
            f"create or replace view {model_table(name)} as "
            f"from {stored} where ({condition}) is not true union all from {rows} where {condition}"
        )

    def leave(self, name: str, changed: Dates) -> None:
        del self.new[name]
        if changed:
            self.new[name] = changed

    def add_whole(self, name: str, rows: str) -> None:
        """Add a model that was made elsewhere, in a table."""
        self.drop(name)
        self.new[name] = None
        self.connection.execute(f"create view {model_table(name)} as from {rows}")

    def register(self, name: str, paths: Sequence[str]) -> str:
        """The table of a model's rows that were written elsewhere, in files."""
        registered = f"built_{name}"
        self.connection.register(registered, dataset_of(self.files.arrow_filesystem, paths, None))
        return identifier(registered)

    def publish(self) -> None:
        """Write the new files, and publish them with the manifest for the next build."""
        kept = {name: self.connection.table(f"{BUILDS_NAME}.{name}").fetchall() for name in KEPT}
        if not self.new and all(kept[name] == getattr(self._manifest, name) for name in KEPT):
            return
        models = {name for name, _ in kept["definitions"]}
        stored = self.stored
        removed = {file for model in stored.keys() - models for file in stored[model]}
        added: set[str] = set()
        with self.model_files.publishing(self.new) as publishing:
            for model, built in self.new.items():
                names = stored.get(model, [])
                dates = publishing.dates_to_write(model, built, names)
                removed |= self._replaced(model, dates, names)
                added |= {
                    publishing.add(self.connection, model, part, select)
                    for part, select in self._parts(model, dates, kept["fingerprints"])
                }
            files = {name for names in stored.values() for name in names} - removed | added
            manifest = Manifest(sorted(files), self._dated, self._read, *kept.values())
            publishing.publish(manifest, sorted(removed - added))

    def _replaced(self, model: str, dates: Dates | None, names: Sequence[str]) -> set[str]:
        """The files of a model that have none of its rows any more, once it is written."""
        if dates is None or model not in self._dated:
            return {*names}
        parts = {part_of(day) for day in dates}
        return {name for name in names if part_in(name) in parts}

    def _parts(self, model: str, dates: Dates | None, kept: Kept) -> Iterator[tuple[str, str]]:
        """The parts of a model that have to be written, and their rows."""
        source = read_source(self.connection, ANALYTICS_NAME, model)
        table = f"{ANALYTICS_NAME}.{model}"
        rows = {day: count for name, day, count, *_ in kept if name == table}
        dated = self.dated.get(model)
        if dates is None or model not in self._dated or not rows:
            self._dated.pop(model, None)
            if dated is None or sum(rows.values()) <= ROWS_IN_ONE_FILE:
                yield WHOLE, f"{source.all_rows} {source.order()}"
                return
            self._dated[model] = dated
            dates = frozenset(rows)
        column, kind = self._dated[model]
        for day in sorted(dates & rows.keys(), key=str):
            is_of_day = has_date_in(identifier(column), kind, [day])
            yield part_of(day), f"{source.all_rows} where {is_of_day} {source.order()}"


def _written(name: str) -> str:
    return f"{WRITTEN_NAME}.{identifier(name)}"
