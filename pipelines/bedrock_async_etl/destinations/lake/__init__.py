"""A lake as the destination: a folder or a bucket of Parquet files, in one of several formats."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Self

import duckdb
import msgspec
from dlt.common.storages.exceptions import UnsupportedStorageVersionException

from bedrock_async_etl.destinations import ANALYTICS_NAME, Destination, find_kind
from bedrock_async_etl.destinations.lake.compaction import compact
from bedrock_async_etl.destinations.lake.formats import LakeCompaction, LakeFormat
from bedrock_async_etl.destinations.lake.model_tables import (
    LakeModelTables,
    add_kept,
    add_models,
)
from bedrock_async_etl.destinations.lake.session import LakeSession
from bedrock_async_etl.destinations.lake.tables import connected
from bedrock_async_etl.dlt_state import PIPELINE_NAME, explain_working_directory, working_directory
from bedrock_async_etl.errors import CommandError, UsageError, interruption_behind
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.publication import recover
from bedrock_async_etl.files.urls import absolute, remedy
from bedrock_async_etl.options import DESTINATIONS, GRACE_SECONDS, DestinationOptions
from bedrock_async_invokes.columns import TABLES
from bedrock_async_invokes.options import parse_shard

MARKER: Final = "bedrock_async_etl.json"
"""Marks a folder as a lake, with its format and the version that wrote it."""
LAKE_VERSION: Final = sum(len(table.columns) for table in TABLES.values())
"""Grows with every column: an earlier version, which would lose it, refuses the lake."""
DEFAULT_FORMAT: Final = "parquet"


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """The mark of a lake."""

    version: int
    table_format: str
    catalog: str | None = None
    """Name of the catalog that has its tables; None for the lake's own."""


@dataclass(frozen=True)
class LakeDestination(Destination):
    """A lake, or the part of it that one of several workers loads."""

    url: str
    table_format: str | None = None
    """The module of a kind of destination; None takes the format of the lake that is there."""
    shard: str | None = None
    """The worker's share, `I/N`; each worker has a pipeline of its own."""
    compact_after: int = DestinationOptions.compact_after
    wait: str = DestinationOptions.wait
    catalog: str | None = None
    """Name of the catalog that has its tables, where the format has one."""

    @classmethod
    def at(cls, options: DestinationOptions, table_format: str | None, shard: str | None) -> Self:
        """The lake that the options name, as one of several workers loads it.

        Raises `UsageError` for a name with characters that the format cannot have.
        """
        assert options.lake
        if table_format:
            _check_path(options.lake, table_format)
        return cls(
            options.lake,
            table_format,
            shard,
            options.compact_after,
            options.wait,
            options.catalog,
        )

    def __str__(self) -> str:
        return f"lake:{self.files.url}"

    @property
    def location(self) -> str:
        return self.url

    @cached_property
    def files(self) -> LakeFiles:
        """The files of the lake; raises `CommandError` where they cannot be reached."""
        return LakeFiles.at(self.url)

    @property
    def pipeline_name(self) -> str:
        if self.shard is None:
            return PIPELINE_NAME
        return "{}_{}_of_{}".format(PIPELINE_NAME, *parse_shard(self.shard))

    @property
    def working_directory(self) -> Path:
        return working_directory(f"{self} {self.pipeline_name}")

    def existing(self) -> Self:
        self._stored_mark()
        return self

    @property
    def stored_format(self) -> LakeFormat:
        """The format of the lake that is there; raises `CommandError`."""
        return self._format(self._stored_mark())

    def _stored_mark(self) -> Mark:
        mark = self._read_mark()
        if mark is None:
            raise CommandError(f"{self.url} is not a lake: load it first with `run`.")
        return mark

    def _format(self, mark: Mark) -> LakeFormat:
        found: LakeFormat = find_kind(mark.table_format).Format(self.files, mark.catalog)
        return found

    def _read_mark(self) -> Mark | None:
        """The mark; raises `CommandError` for a lake that a newer version wrote."""
        text = self.files.read_text(MARKER)
        if text is None:
            return None
        try:
            mark = msgspec.json.decode(text, type=Mark)
        except (ValueError, msgspec.ValidationError):
            raise CommandError(f"{self.url}/{MARKER} is damaged: restore it.") from None
        if mark.version > LAKE_VERSION or mark.table_format not in DESTINATIONS:
            raise CommandError(
                f"{self.url} was written by a newer version of bedrock-async-etl: upgrade this one."
            )
        return mark

    def lock_path(self) -> Path:
        """In the lake, if it is a folder; else here: it holds off no run of another machine."""
        is_local = self.files.is_local
        folder = Path(self.files.root) if is_local else working_directory(str(self))
        if is_local and not folder.parent.is_dir():
            raise CommandError(f"There is no folder {folder.parent}: make it first.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = explain_working_directory(error) or f"Cannot make {folder}: {error.strerror}."
            raise CommandError(reason) from error
        return folder / f".{self.pipeline_name}.lock"

    def load_session(self) -> AbstractContextManager[LakeSession]:
        return closing(LakeSession(self, self._format(self._begin())))

    def _begin(self) -> Mark:
        """The lake's mark, which a new lake gets.

        The folder is listed before the mark is read: another worker may be making the lake.
        """
        found = self.files.visible()
        mark = self._read_mark()
        if mark is None and found:
            raise CommandError(
                f"{self.url} is not a lake, and not empty: it has {found[0]}. Give --lake a "
                "folder that is empty or does not exist."
            )
        mark = mark or Mark(0, self.table_format or DEFAULT_FORMAT, self.catalog)
        if self.table_format not in (None, mark.table_format):
            kind = mark.table_format
            raise UsageError(
                f"{self.url} is a lake of {kind}: use --destination {kind}, or another --lake."
            )
        if self.catalog not in (None, mark.catalog):
            raise UsageError(
                f"The tables of {self.url} are in the catalog {mark.catalog}: use that."
                if mark.catalog
                else f"{self.url} has no catalog but its own: leave out --catalog."
            )
        if not mark.version:
            self._format(mark).check_new()
        if mark.version < LAKE_VERSION:
            mark = Mark(LAKE_VERSION, mark.table_format, mark.catalog)
            self.files.write_text(MARKER, msgspec.json.encode(mark).decode())
        return mark

    @contextmanager
    def connection(self, *, is_materialized: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        lake_format = self.stored_format
        with connected(lake_format, is_materialized=is_materialized) as lake:
            model_files = lake_format.model_files()
            manifest = model_files.read_manifest()
            add_models(lake, model_files, manifest)
            add_kept(lake, manifest)
            yield lake

    @contextmanager
    def model_build(
        self, kind: type[LakeModelTables] = LakeModelTables
    ) -> Iterator[LakeModelTables]:
        recover(self.files.filesystem, self.files.path(ANALYTICS_NAME))
        with kind.open(self.stored_format) as tables:
            yield tables
            tables.publish()

    def compact_if_due(self) -> LakeCompaction | None:
        """As in `Destination`; a shard never does, since two might merge the same files."""
        if self.shard or not self.compact_after:
            return None
        try:
            if not self.stored_format.is_compaction_due(self.compact_after):
                return None
            return LakeCompaction(compact(self, GRACE_SECONDS))
        except Exception as error:  # Of any kind: the load is complete, and the run is good.
            if interruption_behind(error):
                raise
            return LakeCompaction(
                error=str(error) if isinstance(error, CommandError) else self.explain(error)
            )

    def explain(self, error: Exception) -> str:
        if isinstance(error, UnsupportedStorageVersionException):
            return f"{self.url} was written by a newer version of dlt: upgrade dlt."
        return f"Cannot use {self.url}: {remedy(self.url, error)}"


def _check_path(url: str, table_format: str) -> None:
    unreadable = find_kind(table_format).Format.unreadable
    if unreadable and (odd := "".join(sorted({*unreadable.findall(absolute(url))}))):
        raise UsageError(
            f"A lake of {table_format.capitalize()} cannot be at {url!r}: no name in its path may "
            f"have {odd!r}. Give --lake another folder."
        )
