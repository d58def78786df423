"""A lake as the destination: a folder or a bucket of Parquet files, or with a Delta table."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Self

import duckdb
from dlt.common.storages.exceptions import UnsupportedStorageVersionException
from filelock import FileLock, Timeout

from bedrock_async_etl.destinations.lake_build import LakeWorkshop
from bedrock_async_etl.destinations.lake_session import LakeSession
from bedrock_async_etl.destinations.lake_tables import TableFormat, add_models, connected
from bedrock_async_etl.errors import BusyError, CommandError, UsageError
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.urls import remedy
from bedrock_async_etl.working_directories import PIPELINE_NAME, working_directory

MARKER: Final = "bedrock_async_etl.json"
"""Tells that a folder is a lake, of which kind, and written by which version."""
LAKE_VERSION: Final = 1


@dataclass(frozen=True)
class LakeDestination:
    """A lake, or the part of it that one of several workers loads."""

    url: str
    table_format: TableFormat | None = None
    """None takes what is there."""
    shard: tuple[int, int] | None = None
    """The worker's, each of which has a pipeline of its own."""

    def __str__(self) -> str:
        return f"lake:{self.files.url}"

    @cached_property
    def files(self) -> LakeFiles:
        """Where its files are; raises `CommandError` where that cannot be reached."""
        return LakeFiles.at(self.url)

    @property
    def pipeline_name(self) -> str:
        if self.shard is None:
            return PIPELINE_NAME
        index, count = self.shard
        return f"{PIPELINE_NAME}_{index}_of_{count}"

    @property
    def working_directory(self) -> Path:
        """Where dlt keeps packages and its copy of the progress of this lake's one worker."""
        return working_directory(f"{self} {self.pipeline_name}")

    def existing(self) -> Self:
        if self.stored_format is None:
            raise CommandError(f"{self.url} is not a lake: load it first with `run`.")
        return self

    @property
    def stored_format(self) -> TableFormat | None:
        """What the lake's tables are; None where there is no lake yet.

        Raises `CommandError` for one that a newer version wrote.
        """
        mark = self._read_mark()
        return mark and mark[1]

    def _read_mark(self) -> tuple[int, TableFormat] | None:
        text = self.files.read_text(MARKER)
        if text is None:
            return None
        try:
            told = json.loads(text)
            version, table_format = int(told["version"]), told["table_format"]
        except (ValueError, KeyError, TypeError):
            raise CommandError(f"{self.url}/{MARKER} is damaged: restore it.") from None
        if version > LAKE_VERSION:
            raise CommandError(
                f"{self.url} was written by a newer version of bedrock-async-etl: upgrade this one."
            )
        return version, table_format

    @contextmanager
    def locked(self) -> Iterator[None]:
        lock = FileLock(self._lock_path(), is_singleton=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BusyError(f"Another run, or another command, holds {self.url}.") from None
        except OSError as error:
            raise CommandError(f"Cannot write to {self.url}: {error.strerror}.") from error
        try:
            yield
        finally:
            lock.release()

    def _lock_path(self) -> Path:
        """In the lake, where it is a folder; else this machine's runs alone are kept apart."""
        name = f".{self.pipeline_name}.lock"
        if not self.files.is_local:
            folder = working_directory(str(self))
            folder.mkdir(parents=True, exist_ok=True)
            return folder / name
        folder = Path(self.files.root)
        if not folder.parent.is_dir():
            raise CommandError(f"There is no folder {folder.parent}: make it first.")
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise CommandError(f"Cannot make {folder}: {error.strerror}.") from error
        return folder / name

    @contextmanager
    def opened(self) -> Iterator[LakeSession]:
        session = LakeSession(self.files, self._begun(), self.pipeline_name, self.working_directory)
        with closing(session):
            yield session

    def _begun(self) -> TableFormat:
        """What its tables are; a new lake is marked as one.

        It is looked through before the mark is looked for: another worker may be making it.
        """
        found = self.files.visible()
        mark = self._read_mark()
        if mark is None and found:
            raise CommandError(
                f"{self.url} is not a lake, and not empty: it has {found[0]}. Give --lake a "
                "folder that is empty or does not exist."
            )
        version, stored = mark or (0, self.table_format or "parquet")
        if self.table_format not in (None, stored):
            raise UsageError(f"{self.url} is a lake of {stored}: use --destination {stored}.")
        if version < LAKE_VERSION:
            self._mark(stored)
        return stored

    def _mark(self, table_format: TableFormat) -> None:
        """Keep earlier versions of this program out, which do not know all that is written now."""
        marker = {"version": LAKE_VERSION, "table_format": table_format}
        self.files.write_text(MARKER, json.dumps(marker))

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._connected(are_copied=False) as connection:
            add_models(connection, self.files)
            yield connection

    @contextmanager
    def copied(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._connected(are_copied=True) as connection:
            add_models(connection, self.files)
            yield connection

    @contextmanager
    def modelling(self) -> Iterator[LakeWorkshop]:
        with self._connected(are_copied=True) as connection:
            yield LakeWorkshop(connection, self.files)

    def _connected(self, *, are_copied: bool) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return connected(self.files, self.existing().stored_format, are_copied=are_copied)

    def explain(self, error: Exception) -> str:
        if isinstance(error, UnsupportedStorageVersionException):
            return f"{self.url} was written by a newer version of dlt: upgrade dlt."
        return f"Cannot use {self.url}: {remedy(self.url, error)}"
