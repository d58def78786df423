"""The files of a lake's models, and their manifest for the next build."""

import posixpath
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
from pyarrow import fs

from bedrock_async_etl.destinations import ANALYTICS_NAME
from bedrock_async_etl.destinations.database.dates import DAY, Dates
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.parquet import write
from bedrock_async_etl.files.publication import Publication, publication, published_manifest

SUFFIX: Final = ".parquet"
WHOLE: Final = "part-0"
NO_DATE: Final = "no-date"

Kept = Sequence[tuple[str, date | None, int, str, int]]
"""Table, date, rows, fingerprint, and the build in which they changed last."""


class Manifest(msgspec.Struct, tag_field="version", tag=2):
    """The state of a lake's models, kept for the next build."""

    files: Sequence[str] = ()
    dated: dict[str, tuple[str, str]] = {}
    """Column and its type, by which a model has a file for each date."""
    read: Sequence[str] = ()
    """Names of the files of invocations that the models are built from."""
    definitions: Sequence[tuple[str, str]] = ()
    fingerprints: Kept = ()
    checked: Sequence[tuple[str, str, int]] = ()
    broken: Sequence[tuple[str, date | None]] = ()


class ModelFiles:
    """Parquet files in a folder for each model, whose names have their dates."""

    def __init__(self, files: LakeFiles) -> None:
        self.files = files

    def read_manifest(self) -> Manifest:
        """The manifest of the models; an empty one where there is none of this version."""
        root = self.files.path(ANALYTICS_NAME)
        content = published_manifest(self.files.filesystem, root) or b"{}"
        try:
            return msgspec.json.decode(content, type=Manifest)
        except msgspec.ValidationError:
            return Manifest()

    def stored(self, manifest: Manifest) -> dict[str, list[str]]:
        """Names of the files of each model that the lake has."""
        root = f"{self.files.path(ANALYTICS_NAME)}/"
        return by_model(
            path.removeprefix(root) for path in self.files.glob(f"{ANALYTICS_NAME}/*/*{SUFFIX}")
        )

    def path(self, name: str) -> str:
        """The path of a file, as the file system has it."""
        return self.files.path(f"{ANALYTICS_NAME}/{name}")

    def dataset(
        self, names: Sequence[str], dated: tuple[str, str] | None = None
    ) -> pa.dataset.Dataset:
        """The files of a model. Those of other dates than a query is about are not opened."""
        paths = [self.path(name) for name in names]
        return dataset_of(self.files.arrow_filesystem, paths, dated)

    @contextmanager
    def publishing(self, models: Collection[str]) -> Iterator["Publishing"]:
        """Files of models that are written one by one, and seen together."""
        root = self.files.path(ANALYTICS_NAME)
        with (
            tempfile.TemporaryDirectory() as folder,
            publication(self.files.filesystem, root) as staging,
        ):
            yield Publishing(staging, Path(folder, "model"))


class Publishing:
    """Files of models that take their places together."""

    def __init__(self, staging: Publication, scratch: Path) -> None:
        self._staging, self._scratch = staging, scratch

    def dates_to_write(self, model: str, dates: Dates | None, names: Sequence[str]) -> Dates | None:
        """The dates of a model to write, of those that were built; None: all."""
        return dates

    def add(self, connection: duckdb.DuckDBPyConnection, model: str, part: str, select: str) -> str:
        """Write the rows of a SELECT as a part of a model; returns the name of the file."""
        write(connection, select, self._scratch)
        name = f"{model}/{part}{SUFFIX}"
        self._staging.stage(self._scratch, name)
        return name

    def publish(self, manifest: Manifest, removed: Sequence[str]) -> None:
        """Show readers what was added, and hide what was removed."""
        self._staging.publish(msgspec.json.encode(manifest), removed)


def by_model(names: Iterable[str]) -> dict[str, list[str]]:
    """Sorted names of files by the models whose folders they are in."""
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        found.setdefault(posixpath.dirname(name), []).append(name)
    return found


def dataset_of(
    file_system: fs.FileSystem, paths: Sequence[str], dated: tuple[str, str] | None
) -> pa.dataset.Dataset:
    """Parquet files, whose names have their dates."""
    parquet = pa.dataset.ParquetFileFormat()
    whole = pa.dataset.dataset(list(paths), format=parquet, filesystem=file_system)
    if dated is None:
        return whole
    return pa.dataset.FileSystemDataset.from_paths(
        list(paths),
        schema=whole.schema,
        format=parquet,
        filesystem=file_system,
        partitions=[is_of(whole.schema.field(dated[0]), _day_in(path)) for path in paths],
    )


def is_of(field: pa.Field, day: date | None) -> pc.Expression:
    """The condition met by all rows in a date's file."""
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


def part_of(day: date | None) -> str:
    """The part of a model that has the rows of a date."""
    return str(day or NO_DATE)


def part_in(name: str) -> str:
    """The part of a model that a file has; what follows it makes the name unique."""
    return posixpath.basename(name).removesuffix(SUFFIX).partition("_")[0]


def _day_in(path: str) -> date | None:
    part = part_in(path)
    return None if part == NO_DATE else date.fromisoformat(part)
