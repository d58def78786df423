"""A DuckDB file as the destination."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import dlt
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from dlt.sources import DltSource
from filelock import FileLock, Timeout

from bedrock_async_etl import DEFAULT_DATABASE
from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.destinations.duckdb_merge import merging_duckdb
from bedrock_async_etl.destinations.schema import bring_up_to_date
from bedrock_async_etl.errors import BusyError, CommandError, UsageError
from bedrock_async_etl.working_directories import PIPELINE_NAME, working_directory
from bedrock_async_invokes.columns import ASYNC_INVOKES
from bedrock_async_invokes.records import digests

RESERVED_NAMES: Final = (DATASET_NAME, ANALYTICS_NAME)
STORED: Final = """
from bedrock.async_invokes
semi join listed using (invocation_arn)
where submit_time between ? and ? or submit_time is null
"""
SETTINGS: Final = """
set memory_limit = '128MB';
set preserve_insertion_order = false;
"""
"""A load takes little memory whatever the machine has; tables have no order that would matter."""
MEMORY_LIMIT: Final = "select current_setting('memory_limit')"


@dataclass(frozen=True)
class DuckDBDestination:
    """A DuckDB file."""

    database: Path

    def __post_init__(self) -> None:
        """Raise `UsageError` for a name that would make every query ambiguous.

        DuckDB calls a database after its file, and `bedrock.async_invokes` could then be a table
        of the database or of the schema.
        """
        if self.database.stem.lower() in RESERVED_NAMES:
            raise UsageError(
                f"The file cannot be called {self.database.name}: DuckDB would mix it up with the "
                f"schema of that name. Call it {DEFAULT_DATABASE}, for instance."
            )

    def __str__(self) -> str:
        return f"duckdb:{self.database.resolve()}"

    @property
    def working_directory(self) -> Path:
        """Where dlt keeps packages and its copy of the progress for this destination alone."""
        return working_directory(str(self))

    def existing(self) -> Self:
        if not self.database.exists():
            raise CommandError(f"{self.database} does not exist: load it first with `run`.")
        return self

    @contextmanager
    def locked(self) -> Iterator[None]:
        if not self.database.resolve().parent.is_dir():
            raise CommandError(
                f"There is no folder {self.database.resolve().parent}: make it first."
            )
        # A singleton, so that what a command does in steps may hold it around each and all.
        lock = FileLock(f"{self.database.resolve()}.lock", is_singleton=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BusyError(f"Another run, or another command, holds {self.database}.") from None
        except OSError as error:
            raise CommandError(
                f"Cannot write beside {self.database}: {error.strerror}. Give --database a path "
                "in a folder that exists and can be written to."
            ) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def opened(self) -> Iterator["DuckDBSession"]:
        session = DuckDBSession(self)
        try:
            if self.database.exists():
                session.connect()
            yield session
        finally:
            session.close()

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._connected(read_only=True) as connection:
            yield connection

    copied = reading

    @contextmanager
    def modelling(self) -> Iterator["DuckDBWorkshop"]:
        with self._connected(read_only=False) as connection:
            bring_up_to_date(connection)
            yield DuckDBWorkshop(connection)

    def explain(self, error: Exception) -> str:
        reason = str(error).splitlines()[0]
        if "Could not set lock" in reason:
            return f"{self.database} is open in another process: close it there. ({reason})"
        if "not a valid DuckDB" in reason:
            return f"{self.database} is not a DuckDB database: give --database another file."
        return f"Cannot open {self.database}: {reason}"

    def _connected(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        try:
            connection = duckdb.connect(self.database, read_only=read_only)
        except duckdb.Error as error:
            raise CommandError(self.explain(error)) from error
        connection.execute("set TimeZone = 'UTC'")
        return connection


@dataclass(frozen=True)
class DuckDBWorkshop:
    """The database itself, where models are committed when they are built."""

    connection: duckdb.DuckDBPyConnection

    def publish(self) -> None:
        """What was committed can be seen."""


class DuckDBSession:
    """A database that is being loaded. It is made when the first thing is written to it.

    One connection stays open: each time that the last one is closed, DuckDB lets go of all that it
    had cached, and the next one begins with reading it.
    """

    def __init__(self, destination: DuckDBDestination) -> None:
        self._destination = destination
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._pipeline: dlt.Pipeline | None = None

    @property
    def working_directory(self) -> Path:
        return self._destination.working_directory

    def connect(self) -> duckdb.DuckDBPyConnection:
        """The connection; raises `CommandError` where there is none to be had."""
        if self._connection is None:
            self._connection = self._destination._connected(read_only=False)
            self._connection.execute(SETTINGS)
            bring_up_to_date(self._connection)
        return self._connection

    def close(self) -> None:
        """Let go of the database: dlt would keep the last pipeline, and so its connection."""
        if self._pipeline:
            self._pipeline.deactivate()
            self._pipeline = None
        if self._connection:
            self._connection.close()
            self._connection = None

    def pipeline(self) -> dlt.Pipeline:
        self._pipeline = dlt.pipeline(
            PIPELINE_NAME,
            pipelines_dir=str(self.working_directory),
            destination=merging_duckdb(self.connect()),
            dataset_name=DATASET_NAME,
        )
        return self._pipeline

    def shaped(self, source: DltSource) -> DltSource:
        return source

    def has_rows(self) -> bool:
        if not self._destination.database.exists():
            return False
        try:
            return bool(self.connect().table(f"{DATASET_NAME}.async_invokes").limit(1).fetchall())
        except duckdb.CatalogException:
            return False

    def stored(self, table: pa.Table) -> Mapping[str, str]:
        return stored_digests(self.connect(), table)

    def progress_elsewhere(self) -> Mapping[str, Any]:
        return {}

    def can_go_on(self, error: BaseException) -> bool:
        """Rows that are wider than usual need more than the limit: it is lifted."""
        if not isinstance(error, duckdb.OutOfMemoryException):
            return False
        # DuckDB 1.5 says that a limit was reset, and keeps to it.
        with duckdb.connect() as untouched:
            usual_limit = untouched.execute(MEMORY_LIMIT).fetchall()[0]
        self.connect().execute("set memory_limit = ?", usual_limit)
        return True


def stored_digests(connection: duckdb.DuckDBPyConnection, table: pa.Table) -> dict[str, str]:
    """Digests by ARN of the invocations in `table` that `bedrock.async_invokes` holds."""
    edges = pc.min_max(table["submit_time"]).as_py()
    connection.register("listed", table.select(["invocation_arn"]))
    rows = connection.sql(STORED, params=[edges["min"], edges["max"]]).to_arrow_table()
    connection.unregister("listed")
    stored = rows.select(ASYNC_INVOKES.schema.names).cast(ASYNC_INVOKES.schema)
    return dict(zip(stored["invocation_arn"].to_pylist(), digests(stored), strict=True))
