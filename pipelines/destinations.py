"""Where a run loads to: one run at a time, and a working directory that agrees with it."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dlt
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.destination.client import WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from filelock import FileLock, Timeout

from pipelines.errors import BusyError, CommandError, UsageError
from sources.bedrock_async_invokes.records import SCHEMA, digests

PIPELINE_NAME: Final = "bedrock_async_etl"
DATASET_NAME: Final = "bedrock"
DEFAULT_DATABASE: Final = "bedrock_async.duckdb"
RESERVED_NAMES: Final = (DATASET_NAME, f"{DATASET_NAME}_staging", f"{DATASET_NAME}_analytics")
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

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the destination; raises `BusyError` where another run does."""
        if not self.database.resolve().parent.is_dir():
            raise CommandError(
                f"There is no folder {self.database.resolve().parent}: make it first."
            )
        lock = FileLock(f"{self.database.resolve()}.lock")
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

    def check(self) -> None:
        """Raise `CommandError` where the file cannot be loaded into."""
        try:
            duckdb.connect(self.database).close()
        except duckdb.Error as error:
            raise CommandError(explain(self.database, error)) from error

    def pipeline(self) -> dlt.Pipeline:
        """The dlt pipeline of this destination alone, with its own working directory.

        A merge is one transaction only where dlt is told that DuckDB has transactions.
        """
        destination = dlt.destinations.duckdb(str(self.database), supports_transactions=True)
        identity = hashlib.sha256(str(self).encode()).hexdigest()[:12]
        root = Path(dlt.current.run_context().get_data_entity("pipelines"))
        return dlt.pipeline(
            PIPELINE_NAME,
            pipelines_dir=str(root / f"{PIPELINE_NAME}-{identity}"),
            destination=destination,
            dataset_name=DATASET_NAME,
        )

    def stored(self, table: pa.Table) -> Mapping[str, str]:
        """Digests by ARN of the invocations in `table` that the database holds."""
        edges = pc.min_max(table["submit_time"]).as_py()
        with duckdb.connect(self.database, read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            try:
                rows = (
                    connection.table(f"{DATASET_NAME}.async_invokes")
                    .filter(
                        duckdb.ColumnExpression("submit_time").between(edges["min"], edges["max"])
                    )
                    .select(*SCHEMA.names)
                    .to_arrow_table()
                )
            except duckdb.CatalogException:
                return {}
        stored = rows.cast(SCHEMA)
        return dict(zip(stored["invocation_arn"].to_pylist(), digests(stored), strict=True))


def settle(pipeline: dlt.Pipeline) -> dlt.Pipeline:
    """Bring the working directory in line with the destination, which is the truth.

    A package that a killed run left is loaded first, if it builds on what the destination holds.
    Else (the database was deleted or restored from a backup) it is dropped, since it would move
    the progress past rows that are not there. Then the state is the destination's.
    """
    stored = stored_state_version(pipeline)
    if pipeline.has_pending_data and pipeline.state["_local"].get(BUILDS_ON) == stored:
        pipeline.run()
        stored = stored_state_version(pipeline)
    if pipeline.has_pending_data or pipeline.state.get("_version_hash") != stored:
        pipeline = pipeline.drop()
    pipeline.sync_destination()
    return pipeline


def note_base(pipeline: dlt.Pipeline) -> None:
    """Note what the package to come builds on, for `settle` after a kill."""
    pipeline.set_local_state_val(BUILDS_ON, stored_state_version(pipeline))


def stored_state_version(pipeline: dlt.Pipeline) -> str | None:
    """The hash of the state that the destination's last complete load left."""
    with pipeline.destination_client() as client:
        if not isinstance(client, WithStateSync):
            raise CommandError(f"{pipeline.destination} cannot keep progress: choose another.")
        try:
            state = client.get_stored_state(PIPELINE_NAME)
        except DestinationUndefinedEntity:
            return None
    return state.version_hash if state else None


def explain(database: Path, error: duckdb.Error) -> str:
    """Why a database cannot be opened, and what to do."""
    reason = str(error).splitlines()[0]
    if "lock" in reason:
        return f"{database} is open in another process: close it there. ({reason})"
    if "not a valid DuckDB" in reason:
        return f"{database} is not a DuckDB database: give --database another file."
    return f"Cannot open {database}: {reason}"
