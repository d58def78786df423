"""What a run loads to: one run at a time, and a working directory that agrees with it."""

import random
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self

import dlt
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from dlt.common.destination.client import StateInfo, WithStateSync
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.exceptions import DltException
from dlt.common.pipeline import LoadInfo
from dlt.common.time import increasing_precise_time
from dlt.common.versioned_state import decompress_state
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.sources import DltSource

from bedrock_async_etl.errors import CommandError

DATASET_NAME: Final = "bedrock"
ANALYTICS_NAME: Final = "bedrock_analytics"
BUILDS_ON: Final = "builds_on"
"""Local state: the version of the destination's state that the next package builds on."""


class Session(Protocol):
    """A destination that is being loaded."""

    @property
    def working_directory(self) -> Path:
        """Where dlt keeps packages and its copy of the progress for this destination alone."""

    def pipeline(self) -> dlt.Pipeline:
        """The dlt pipeline of this destination."""

    def shaped(self, source: DltSource) -> DltSource:
        """The source, its tables kept as this destination keeps them."""

    def has_rows(self) -> bool:
        """Whether any invocation is stored."""

    def stored(self, table: pa.Table) -> Mapping[str, str]:
        """Digests by ARN of the invocations in `table` that are stored."""

    def progress_elsewhere(self) -> Mapping[str, Any]:
        """Progress by scope that other pipelines have left in the same destination."""

    def can_go_on(self, error: BaseException) -> bool:
        """Whether a load that failed may succeed now, something having been changed."""


class Workshop(Protocol):
    """Where the models of a destination are built and looked at."""

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """What was loaded is in the schema `bedrock`, the models are in `bedrock_analytics`."""

    def publish(self) -> None:
        """Give readers the models that were built, all at once."""


class Destination(Protocol):
    """Where the copy is kept."""

    @property
    def working_directory(self) -> Path:
        """Where dlt keeps packages and its copy of the progress for this destination alone."""

    def existing(self) -> Self:
        """Itself; raises `CommandError` where nothing was loaded yet."""

    def locked(self) -> AbstractContextManager[None]:
        """Hold the destination; raises `BusyError` where another run does."""

    def opened(self) -> AbstractContextManager[Session]:
        """Load into it; raises `CommandError` where it cannot be opened."""

    def reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Query what was loaded and the models, times in UTC; raises `CommandError`."""

    def copied(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """The same, for what goes through the rows many times."""

    def modelling(self) -> AbstractContextManager[Workshop]:
        """Build the models; raises `CommandError` where it cannot be opened."""

    def explain(self, error: Exception) -> str:
        """Why it cannot be read or written, and what to do."""


@dataclass(frozen=True)
class Settled:
    """A pipeline whose working directory is in line with the destination."""

    pipeline: dlt.Pipeline
    version: str | None
    """Of the state that the destination has."""
    rows_recovered: int
    """Invocations in the package of a killed run, which was loaded first."""


def settled_pipeline(session: Session) -> Settled:
    """The pipeline of a session, fit to be run.

    The destination is the truth and the working directory a cache: where a kill left it torn, it
    is thrown away.
    """
    try:
        return _settled(session.pipeline())
    except (DltException, OSError, ValueError, LookupError):
        shutil.rmtree(session.working_directory, ignore_errors=True)
        return _settled(session.pipeline())


def _settled(pipeline: dlt.Pipeline) -> Settled:
    """Load a package that a killed run left, if it builds on what the destination holds.

    Else (the database was deleted, or restored from a backup) it is dropped, since it would move
    progress past rows that are not there. A state that is not the destination's is dropped too,
    and dlt restores it.
    """
    stored, rows = _stored_state(pipeline), 0
    if pipeline.has_pending_data and pipeline.state["_local"].get(BUILDS_ON) == _version(stored):
        rows = _rows_of(pipeline.run())
        stored = _stored_state(pipeline)
    _let_load_ids_ascend(stored)
    if pipeline.has_pending_data or pipeline.state.get("_version_hash") != _version(stored):
        pipeline.drop()
    return Settled(pipeline, _version(stored), rows)


def _rows_of(info: LoadInfo | None) -> int:
    """Invocations in the packages that were loaded; dlt drops those for what is not there yet."""
    files = (
        job.file_path
        for package in (info.load_packages if info else ())
        for job in package.jobs["completed_jobs"]
        if job.job_file_info.table_name == "async_invokes"
        and job.job_file_info.file_format == "parquet"
    )
    return sum(pq.read_metadata(file).num_rows for file in files)


def run_on(
    session: Session, pipeline: dlt.Pipeline, base: str | None, source: DltSource
) -> str | None:
    """Load one package that builds on the state version `base`; returns the version it leaves."""
    pipeline.set_local_state_val(BUILDS_ON, base)
    try:
        info: LoadInfo = pipeline.run(session.shaped(source))
    except PipelineStepFailed as error:
        if not session.can_go_on(innermost(error)):
            raise
        # The package is complete, and waits for a load that can have more.
        info = pipeline.run()
    info.raise_on_failed_jobs()
    return pipeline.state["_version_hash"]


def innermost(error: BaseException) -> BaseException:
    """What an error comes from: dlt wraps it once per layer."""
    while error.__cause__:
        error = error.__cause__
    return error


def _stored_state(pipeline: dlt.Pipeline) -> StateInfo | None:
    """The state that the destination's last complete load left."""
    with pipeline.destination_client() as client:
        if not isinstance(client, WithStateSync):
            raise CommandError(f"{pipeline.destination} cannot keep progress: choose another.")
        try:
            return client.get_stored_state(pipeline.pipeline_name)
        except DestinationUndefinedEntity:
            return None


def _version(stored: StateInfo | None) -> str | None:
    """The hash of a stored state."""
    return decompress_state(stored.state)["_version_hash"] if stored else None


def _let_load_ids_ascend(stored: StateInfo | None) -> None:
    """Let the next load's id be larger, though the clock may have been ahead at an earlier one.

    Load ids are times, and dlt restores the state that has the largest. Loads since then that left
    no state have taken some of the ids right after it.
    """
    newest = float(stored._dlt_load_id) if stored and stored._dlt_load_id else 0
    if newest >= increasing_precise_time():
        increasing_precise_time._last = newest + random.uniform(0.001, 1)
