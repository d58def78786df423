"""The copy of a DuckDB file that `run --publish` puts in place for readers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from bedrock_async_etl.configuration import setting, shared_files
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.database.content import read_content
from bedrock_async_etl.destinations.duckdb import DuckDBDestination, has_rows
from bedrock_async_etl.errors import CommandError, UsageError, interruption_behind
from bedrock_async_etl.files.atomic_write import check_place, is_link_to_copy, link_to_copy
from bedrock_async_etl.options import RunOptions

NOT_FOR_READERS: Final = ("", ".wal", ".lock", ".tmp")
"""Suffixes of the names of the database and its own files."""
RUN: Final = "select 1 from bedrock.extract_runs where run_id = ? limit 1"
NEWEST_RUN: Final = (
    "select max_by(run_id, try_cast(_dlt_load_id as double)) from bedrock.extract_runs"
)


@dataclass(frozen=True)
class PublishedCopy:
    """The result of a publication."""

    file: str
    bytes: int = 0
    seconds: float = 0.0
    error: str | None = None
    """Reason why the file was not replaced."""

    @property
    def message(self) -> str:
        """The result, in one line."""
        if self.error:
            return f"Cannot publish {self.file}, which is as it was: {self.error}"
        return f"Published {self.file}, {self.bytes / 1e6:,.1f} MB, in {self.seconds:.1f} s."


@dataclass(frozen=True)
class Publisher:
    """Copies a database to the file of its readers."""

    source: DuckDBDestination
    file: Path

    def publish(self) -> PublishedCopy | None:
        """Replace the file if the database has other content, else return None.

        An error is in the result.
        """
        started, name = time.monotonic(), str(self.file)
        try:
            with self.source.locked():
                if not self._replace():
                    return None
            seconds = round(time.monotonic() - started, 3)
            return PublishedCopy(name, self.file.stat().st_size, seconds)
        except (CommandError, OSError, duckdb.Error) as error:
            if interruption_behind(error):
                raise
            return PublishedCopy(name, error=self._reason(error))

    def _reason(self, error: Exception) -> str:
        if isinstance(error, OSError):
            return f"{error.strerror}."
        return str(error) if isinstance(error, CommandError) else self.source.explain(error)

    def _replace(self) -> bool:
        """Replace the file, unless its content is the database's.

        Raises `CommandError` where the file may be all that is left of a lost database.
        """
        source = self.source
        if source.log.exists():
            with source.connect(read_only=False) as connection:
                connection.execute("checkpoint")
        # While it is open, no other program writes; see `DuckDBDestination` about its end.
        with source.connect(read_only=True) as connection:
            if source.log.exists():
                raise CommandError(f"Another program has written to {source.location}.")
            content = read_content(connection)
            if content and content == self._published_content():
                return False
            if self._has_other_runs(connection):
                raise CommandError(
                    f"it may have rows that {source.location} never had. If that was lost, or is "
                    "an older backup, restore it from this file; if not, remove the file."
                )
            self._own_log.unlink(missing_ok=True)
            with shared_files():
                link_to_copy(self.file, source.database)
        return True

    @property
    def _own_log(self) -> Path:
        """The log left by a DuckDB before 1.5 that wrote to the copy, as it follows no link.

        Such a DuckDB would take it for the next copy's.
        """
        return self.file.with_name(f"{self.file.name}.wal")

    def _published_content(self) -> str | None:
        """The content of the copy; None without one, or where somebody has written to it."""
        copy = DuckDBDestination(self.file)
        if not is_link_to_copy(self.file) or copy.log.exists() or self._own_log.exists():
            return None
        return self._read_copy(read_content)

    def _has_other_runs(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """True where the file's newest run is not in the database, or cannot be read."""
        if not self.file.exists():
            return False
        newest = self._read_copy(newest_run)
        return not (has_run(connection, newest) if newest else has_rows(connection))

    def _read_copy(self, read: Callable[[duckdb.DuckDBPyConnection], str | None]) -> str | None:
        """The result of reading the copy; None where it cannot be read."""
        try:
            with DuckDBDestination(self.file).connect(read_only=True) as connection:
                return read(connection)
        except (CommandError, duckdb.Error) as error:
            if interruption_behind(error):
                raise
            return None


def newest_run(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The run that was stored last; None without any."""
    [(run,)] = connection.execute(NEWEST_RUN).fetchall()
    return run and str(run)


def has_run(connection: duckdb.DuckDBPyConnection, run: str) -> bool:
    """True if a run is stored."""
    try:
        return bool(connection.execute(RUN, [run]).fetchall())
    except duckdb.CatalogException:
        return False


def find_publisher(destination: Destination, publish: str | None = None) -> Publisher | None:
    """The publisher of the file given, else of the one in dlt's configuration; None without one.

    Raises `UsageError` for a file that cannot be a copy of the destination, or not be written.
    """
    publish = setting(RunOptions, "publish", publish)
    if not publish:
        return None
    if not isinstance(destination, DuckDBDestination):
        raise UsageError(
            f"--publish copies a DuckDB database, and {destination.location} is a lake, which is "
            "for any number of readers: leave --publish out."
        )
    file = Path(publish).absolute()
    DuckDBDestination(Path(publish))  # The rules for its name are the same.
    _check_apart(destination.database, file)
    check_place(file, "--publish", "DIR/bedrock_readers.duckdb")
    return Publisher(destination, file)


def _check_apart(database: Path, file: Path) -> None:
    loaded = database.resolve()
    for end in NOT_FOR_READERS:
        own = loaded.with_name(loaded.name + end)
        if file.resolve() == own or (file.exists() and own.exists() and file.samefile(own)):
            raise UsageError(
                f"--publish {file} is the database that is loaded, or a file of its own: name "
                "another file, such as DIR/bedrock_readers.duckdb."
            )
