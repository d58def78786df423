"""Where a run loads to: one run at a time, and a working directory that agrees with it."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import dlt
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.destination.client import WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.exceptions import DltException
from dlt.common.pipeline import LoadInfo
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.state_sync import load_pipeline_state_from_destination
from dlt.sources import DltSource
from filelock import FileLock, Timeout

from pipelines import DEFAULT_DATABASE
from pipelines.errors import BusyError, CommandError, UsageError
from sources.bedrock_async_invokes.records import SCHEMA, digests

PIPELINE_NAME: Final = "bedrock_async_etl"
DATASET_NAME: Final = "bedrock"
ANALYTICS_NAME: Final = "bedrock_analytics"
RESERVED_NAMES: Final = (DATASET_NAME, f"{DATASET_NAME}_staging", ANALYTICS_NAME)
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
BUILDS_ON: Final = "builds_on"
"""Local state: the version of the destination's state that the next package builds on."""


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

    def existing(self) -> Self:
        """Itself; raises `CommandError` where nothing was loaded yet."""
        if not self.database.exists():
            raise CommandError(f"{self.database} does not exist: load it first with `run`.")
        return self

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the destination; raises `BusyError` where another run does."""
        if not self.database.resolve().parent.is_dir():
            raise CommandError(
                f"There is no folder {self.database.resolve().parent}: make it first."
            )
        # A singleton, so that what a command does in steps may hold it around each and all.
        lock = FileLock(f"{self.database.resolve()}.lock", is_singleton=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BusyError(f"Another run is loading into {self.database}.") from None
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
        """Load through one connection; raises `CommandError` where it cannot be opened."""
        session = DuckDBSession(self)
        try:
            if self.database.exists():
                session.connect()
            yield session
        finally:
            session.close()

    @property
    def working_directory(self) -> Path:
        """Where dlt keeps packages and its copy of the progress for this destination alone."""
        identity = hashlib.sha256(str(self).encode()).hexdigest()[:12]
        root = Path(dlt.current.run_context().get_data_entity("pipelines"))
        return root / f"{PIPELINE_NAME}-{identity}"


class DuckDBSession:
    """A database that is being loaded. It is made when the first thing is written to it.

    One connection stays open: each time that the last one is closed, DuckDB lets go of all that it
    had cached, and the next one begins with reading it.
    """

    def __init__(self, destination: DuckDBDestination) -> None:
        self.destination = destination
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._pipeline: dlt.Pipeline | None = None

    def connect(self) -> duckdb.DuckDBPyConnection:
        """The connection, its times in UTC; raises `CommandError` where there is none to be had."""
        if self._connection is None:
            self._connection = _opened(self.destination.database, read_only=False)
            self._connection.execute(SETTINGS)
        return self._connection

    def take_more_memory(self) -> None:
        """Lift the limit to what DuckDB takes by itself: rows may be wider than usual."""
        self.connect().execute("reset memory_limit")

    def close(self) -> None:
        """Let go of the database: dlt would keep the last pipeline, and so its connection."""
        if self._pipeline:
            self._pipeline.deactivate()
            self._pipeline = None
        if self._connection:
            self._connection.close()
            self._connection = None

    def pipeline(self) -> dlt.Pipeline:
        """The dlt pipeline of this destination.

        A merge is one transaction only where dlt is told that DuckDB has transactions.
        """
        self._pipeline = dlt.pipeline(
            PIPELINE_NAME,
            pipelines_dir=str(self.destination.working_directory),
            destination=dlt.destinations.duckdb(self.connect(), supports_transactions=True),
            dataset_name=DATASET_NAME,
        )
        return self._pipeline

    def has_rows(self) -> bool:
        """Whether any invocation is stored."""
        if not self.destination.database.exists():
            return False
        try:
            return bool(self.connect().table(f"{DATASET_NAME}.async_invokes").limit(1).fetchall())
        except duckdb.CatalogException:
            return False

    def stored(self, table: pa.Table) -> Mapping[str, str]:
        """Digests by ARN of the invocations in `table` that the database holds."""
        edges = pc.min_max(table["submit_time"]).as_py()
        connection = self.connect()
        connection.register("listed", table.select(["invocation_arn"]))
        rows = connection.sql(STORED, params=[edges["min"], edges["max"]]).to_arrow_table()
        connection.unregister("listed")
        stored = rows.select(SCHEMA.names).cast(SCHEMA)
        return dict(zip(stored["invocation_arn"].to_pylist(), digests(stored), strict=True))


def settled_pipeline(session: DuckDBSession) -> tuple[dlt.Pipeline, str | None]:
    """The pipeline, its working directory in line with the destination, and the state's version.

    The destination is the truth and the working directory a cache: where a kill left it torn, it
    is thrown away.
    """
    try:
        return _settled(session.pipeline())
    except (DltException, OSError, ValueError, LookupError):
        shutil.rmtree(session.destination.working_directory, ignore_errors=True)
        return _settled(session.pipeline())


def _settled(pipeline: dlt.Pipeline) -> tuple[dlt.Pipeline, str | None]:
    """Load a package that a killed run left, if it builds on what the destination holds.

    Else (the database was deleted, or restored from a backup) it is dropped, since it would move
    progress past rows that are not there. A state that is not the destination's is dropped too,
    and dlt restores it.
    """
    stored = stored_state_version(pipeline)
    if pipeline.has_pending_data and pipeline.state["_local"].get(BUILDS_ON) == stored:
        pipeline.run()
        stored = stored_state_version(pipeline)
    if pipeline.has_pending_data or pipeline.state.get("_version_hash") != stored:
        pipeline.drop()
    return pipeline, stored


def run_on(
    session: DuckDBSession, pipeline: dlt.Pipeline, base: str | None, source: DltSource
) -> str | None:
    """Load one package that builds on the state version `base`; returns the version it leaves."""
    pipeline.set_local_state_val(BUILDS_ON, base)
    try:
        info: LoadInfo = pipeline.run(source)
    except PipelineStepFailed as error:
        if not isinstance(innermost(error), duckdb.OutOfMemoryException):
            raise
        # The package is complete, and waits for a load that can have more.
        session.take_more_memory()
        info = pipeline.run()
    info.raise_on_failed_jobs()
    return pipeline.state["_version_hash"]


def innermost(error: BaseException) -> BaseException:
    """What an error comes from: dlt wraps it once per layer."""
    while error.__cause__:
        error = error.__cause__
    return error


def stored_state_version(pipeline: dlt.Pipeline) -> str | None:
    """The hash of the state that the destination's last complete load left."""
    with pipeline.destination_client() as client:
        if not isinstance(client, WithStateSync):
            raise CommandError(f"{pipeline.destination} cannot keep progress: choose another.")
        try:
            state = load_pipeline_state_from_destination(PIPELINE_NAME, client)
        except DestinationUndefinedEntity:
            return None
    return state["_version_hash"] if state else None


@contextmanager
def reading(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Read from a database, its times in UTC; raises `CommandError` where it cannot be opened."""
    with _opened(database, read_only=True) as connection:
        yield connection


@contextmanager
def writing(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Write to a database, its times in UTC; raises `CommandError` where it cannot be opened."""
    with _opened(database, read_only=False) as connection:
        yield connection


def _opened(database: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(database, read_only=read_only)
    except duckdb.Error as error:
        raise CommandError(explain(database, error)) from error
    connection.execute("set TimeZone = 'UTC'")
    return connection


def explain(database: Path, error: duckdb.Error) -> str:
    """Why a database cannot be opened, and what to do."""
    reason = str(error).splitlines()[0]
    if "Could not set lock" in reason:
        return f"{database} is open in another process: close it there. ({reason})"
    if "not a valid DuckDB" in reason:
        return f"{database} is not a DuckDB database: give --database another file."
    return f"Cannot open {database}: {reason}"
