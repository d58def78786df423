"""Destinations of the copy. Each module here is a kind of destination, named as in its option.

Such a module has either `at(options)`, which makes the destination at `database`, or, for one at
`lake`, the `Format` of its tables. The folders hold code that kinds of one place share.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import dlt
import duckdb
import pyarrow as pa
from dlt.common.destination.client import WithStateSync
from dlt.sources import DltSource
from filelock import FileLock, Timeout

from bedrock_async_etl.configuration import configured_options, setting
from bedrock_async_etl.dlt_state import (
    PIPELINE_NAME,
    explain_working_directory,
    newest_progress,
    stored_progress,
    working_directory,
)
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.files.waiting import HeldError, Holder, signed, wait_while_held
from bedrock_async_etl.options import DESTINATIONS, DestinationOptions
from bedrock_async_invokes.options import LoadOptions, parse_duration

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.database.model_tables import ModelTables
    from bedrock_async_etl.destinations.lake import LakeDestination
    from bedrock_async_etl.destinations.lake.formats import LakeCompaction

Result = TypeVar("Result")

DATASET_NAME: Final = "bedrock"
ANALYTICS_NAME: Final = "bedrock_analytics"
STALE_AFTER: Final = timedelta(hours=26)
"""Time since the last successful run of a scope after which a copy is not fresh: a day and more."""


class LoadSession(ABC):
    """A load into a destination, through one dlt pipeline."""

    def __init__(self, destination: "Destination") -> None:
        self.destination = destination
        self._opened = ExitStack()
        """Closed with the session."""
        self._pipeline: dlt.Pipeline | None = None
        self._working_directory = destination.working_directory

    def pipeline(self) -> dlt.Pipeline:
        """The dlt pipeline of the destination, made anew."""
        self._pipeline = dlt.pipeline(
            self.destination.pipeline_name,
            pipelines_dir=str(self._working_directory),
            destination=self.dlt_destination(),
            dataset_name=DATASET_NAME,
        )
        return self._pipeline

    def close(self) -> None:
        """Release the destination: dlt would keep the last pipeline, and so its connection."""
        if self._pipeline:
            self._pipeline.deactivate()
        self._opened.close()

    @abstractmethod
    def dlt_destination(self) -> Any:
        """The destination as dlt has it."""

    def writing(self) -> AbstractContextManager[None]:
        """Hold the destination for writing; others may read it before and afterwards.

        Raises `BusyError` where another process holds it for too long.
        """
        return nullcontext()

    @abstractmethod
    def has_rows(self) -> bool:
        """True if any invocation is stored."""

    @abstractmethod
    def stored(self, table: pa.Table) -> Mapping[str, str]:
        """Digests by ARN of those invocations in `table` that are stored."""

    def with_write_hints(self, source: DltSource) -> DltSource:
        """The source with hints on how this destination writes its tables."""
        return source

    def progress_elsewhere(self) -> Mapping[str, Any]:
        """Progress by scope that other pipelines left in the same destination."""
        return {}

    def progress(self) -> Mapping[str, Any]:
        """Progress by scope, the newest that is in the destination.

        It is read in a working directory of its own, as a run may be using the usual one.
        """
        self._working_directory = Path(self._opened.enter_context(TemporaryDirectory()))
        with self.pipeline().destination_client() as client:
            assert isinstance(client, WithStateSync)
            own = stored_progress(client, [self.destination.pipeline_name])
            return newest_progress([*own, self.progress_elsewhere()])

    def can_go_on(self, error: BaseException) -> bool:
        """True if a load that failed may succeed now, because the session changed something."""
        return False


class Destination(ABC):
    """The place of the copy; `str` names it, with its kind."""

    wait: str
    """Time to wait while another process holds the destination."""

    @property
    def pipeline_name(self) -> str:
        """The name of the dlt pipeline that loads it."""
        return PIPELINE_NAME

    @property
    def working_directory(self) -> Path:
        """Folder of dlt's packages and of its copy of the progress, for this destination alone."""
        return working_directory(str(self))

    @property
    @abstractmethod
    def location(self) -> str:
        """The file or URL, as it was given."""

    @abstractmethod
    def existing(self) -> Self:
        """The destination itself; raises `CommandError` if nothing was loaded yet."""

    @abstractmethod
    def lock_path(self) -> Path:
        """The lock file, in a folder that exists; raises `CommandError`."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the destination, once or several times, as the only process that writes to it.

        Raises `BusyError` where another process holds it for too long, and `CommandError` where the
        lock file cannot be written.
        """
        # A singleton, so that a command and the steps in it may each hold it.
        lock = FileLock(self.lock_path(), is_singleton=True)
        self.wait_while_held(partial(self._acquire, lock))
        try:
            with nullcontext() if lock.lock_counter > 1 else signed(Path(lock.lock_file)):
                yield
        finally:
            lock.release()

    def _acquire(self, lock: FileLock) -> None:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise HeldError(Holder.of(Path(lock.lock_file))) from None
        except OSError as error:
            raise CommandError(
                explain_working_directory(error)
                or f"Cannot write beside {self.location}: {error.strerror}. Choose a folder that "
                "exists and can be written to."
            ) from error

    def wait_while_held(self, attempt: Callable[[], Result]) -> Result:
        """The result of an attempt, repeated while another process holds the destination.

        Raises `BusyError` where that takes too long.
        """
        return wait_while_held(attempt, self.location, parse_duration("wait", self.wait))

    @abstractmethod
    def load_session(self) -> AbstractContextManager[LoadSession]:
        """A session that loads into it; raises `CommandError` if it cannot be opened."""

    @abstractmethod
    def connection(
        self, *, is_materialized: bool = False
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection that reads tables and models, times in UTC; raises `CommandError`.

        For repeated or long reads, `is_materialized` first copies the tables to a private place
        that is removed with the connection: a whole DuckDB file, so that reading keeps nobody from
        writing; of a lake the current rows, while the models stay in its files.
        """

    def snapshot(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection for long reads, mostly of models, that keeps nobody from writing.

        Of a DuckDB file it reads a private copy. Files of a lake can be read while others write.
        """
        return self.connection()

    @contextmanager
    def connection_between_runs(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A materialized connection to the result of a whole run, with the destination held.

        Raises `BusyError` and `CommandError`.
        """
        with self.locked(), self.connection(is_materialized=True) as connection:
            yield connection

    @abstractmethod
    def model_build(self) -> AbstractContextManager["ModelTables"]:
        """The tables of the models in `bedrock_analytics`, to be built; raises `CommandError`.

        Readers see the models, all at once, when it ends without an error.
        """

    def compact_if_due(self) -> "LakeCompaction | None":
        """Merge small files if there are many, else return None.

        An error is in the result.
        """
        return None

    @abstractmethod
    def explain(self, error: Exception) -> str:
        """The reason why it cannot be read or written, with the remedy."""


def find_kind(name: str) -> Any:
    """The module of a kind of destination; raises `UsageError` for an unknown name."""
    if name not in DESTINATIONS:
        raise UsageError(f"destination is one of {', '.join(DESTINATIONS)}, not {name!r}.")
    return import_module(f"{__name__}.{name}")


def is_lake(kind: str) -> bool:
    """True for a kind of destination that is a lake; raises `UsageError` for an unknown name."""
    return hasattr(find_kind(kind), "Format")


def find_destination(*, shard: str | None = None, **given: Any) -> Destination:
    """The destination of a load: the options given, else those of dlt's configuration.

    A configured kind is ignored where another place is given. Each shard has a pipeline of its
    own in a lake. Raises `UsageError` for options that do not go together, `OptionError` for a
    wrong value.
    """
    options = configured_options(DestinationOptions, given)
    shard = configured_shard(shard)
    kind = options.destination
    is_chosen = "destination" in given or not (given.get("database") or given.get("lake"))
    if kind and is_chosen and is_lake(kind) != bool(options.lake):
        *others, last = filter(is_lake, DESTINATIONS)
        raise UsageError(
            f"--lake goes with --destination {', '.join(others)} or {last}."
            if options.lake
            else f"--destination {kind} needs --lake: a folder or s3://BUCKET/PATH."
        )
    return _destination(options, shard)


def existing_destination(**given: Any) -> Destination:
    """The destination that was loaded: the lake if one is named, else the database.

    Raises `CommandError` if nothing was loaded yet.
    """
    return _destination(configured_options(DestinationOptions, given)).existing()


def existing_lake(**given: Any) -> "LakeDestination":
    """The lake given, else that of dlt's configuration; raises `CommandError` without one."""
    from bedrock_async_etl.destinations.lake import LakeDestination

    options = configured_options(DestinationOptions, given)
    if not options.lake:
        raise UsageError("Which lake? Give --lake a folder or s3://BUCKET/PATH.")
    return LakeDestination.at(options, None, None).existing()


def configured_shard(shard: str | None = None) -> str | None:
    """The shard given, else that of dlt's configuration; raises `OptionError`."""
    found: str | None = setting(LoadOptions, "shard", shard)
    return found


def _destination(options: DestinationOptions, shard: str | None = None) -> Destination:
    """The configured kind if it goes with the place; else DuckDB, or a lake of any format."""
    kind = options.destination
    if kind and is_lake(kind) != bool(options.lake):
        kind = None
    if options.lake:
        from bedrock_async_etl.destinations.lake import LakeDestination

        return LakeDestination.at(options, kind, shard)
    found: Destination = find_kind(kind or "duckdb").at(options)
    return found
