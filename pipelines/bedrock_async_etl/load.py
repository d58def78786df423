"""Load what is new or changed of every scope into the destination."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import dlt
import duckdb
from dlt.common.configuration import with_config
from dlt.common.exceptions import DltException
from dlt.common.storages.exceptions import UnsupportedStorageVersionException

from bedrock_async_etl import DEFAULT_DATABASE
from bedrock_async_etl.destinations import Destination, Session, innermost, run_on, settled_pipeline
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.working_directories import show_to_dlt
from bedrock_async_invokes import Extraction, extraction_source, new_extraction
from bedrock_async_invokes.columns import ScopeReport
from bedrock_async_invokes.errors import OptionError, ScopeError, describe
from bedrock_async_invokes.options import LoadOptions, parse_shard, signature_of
from bedrock_async_invokes.run import Observer

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.lake import LakeDestination

SLICE_ROWS: Final = 245_000
"""Rows that one load package has at most, and so what a killed run reads again.

That is just under two of DuckDB's row groups: what does not fill one is written twice.
"""

REPORTED: Final = (
    "account_id",
    "region",
    "outcome",
    "error",
    "calls",
    "throttled",
    "pages",
    "rows_read",
    "rows_new",
    "rows_changed",
    "open_invocations",
    "vanished",
    "submitted_through",
    "quarantined",
    "quarantine_reason",
)

TOTALLED: Final = (
    "calls",
    "throttled",
    "rows_read",
    "rows_new",
    "rows_changed",
    "vanished",
    "quarantined",
)

DestinationKind = Literal["duckdb", "parquet", "delta"]

SOURCE_SECTIONS: Final = ("sources", "bedrock_async_invokes")


def _load_options(**options: Any) -> LoadOptions:
    return LoadOptions(**options)


_load_options.__signature__ = signature_of(LoadOptions, dlt.TSecretStrValue)  # type: ignore[attr-defined]
configured_options = with_config(_load_options, sections=SOURCE_SECTIONS)
"""`LoadOptions` with missing values taken from dlt's configuration."""


@dataclass(frozen=True)
class RunResult:
    """What a run did."""

    run_id: str
    destination: str
    seconds: float
    scopes: Sequence[ScopeReport]
    rows_recovered: int
    """Read by a run that was killed, and loaded by this one before all else."""
    is_part: bool
    """Whether only a shard of the scopes was read."""

    @property
    def rows_loaded(self) -> int:
        return sum(scope.rows_new + scope.rows_changed for scope in self.scopes)

    @property
    def totals(self) -> dict[str, Any]:
        """Counts of `extract_runs`, over all scopes."""
        return {name: sum(getattr(scope, name) for scope in self.scopes) for name in TOTALLED}

    @property
    def failed(self) -> list[ScopeReport]:
        return [scope for scope in self.scopes if scope.outcome != "ok"]

    @property
    def exit_code(self) -> int:
        """0 when all scopes were loaded, 3 when some were, 1 when none was."""
        if not self.failed:
            return 0
        return 3 if len(self.failed) < len(self.scopes) else 1

    def as_json(self) -> dict[str, Any]:
        """The document that `run --json` prints."""
        return {
            "run_id": self.run_id,
            "destination": self.destination,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "rows_loaded": self.rows_loaded,
            "rows_recovered": self.rows_recovered,
            "scopes": [{name: getattr(scope, name) for name in REPORTED} for scope in self.scopes],
        }


class Watch(Observer, Protocol):
    """Is told how a load goes."""

    def slice_loaded(self, *, is_last: bool) -> None:
        """What was handed over last is in the destination."""


@with_config(sections=("bedrock_async_etl",))
def find_destination(
    destination: DestinationKind | None = None,
    database: str = DEFAULT_DATABASE,
    lake: str | None = None,
    shard: str | None = None,
) -> Destination:
    """The destination given, else the one that dlt's configuration has.

    Each shard has a pipeline of its own in a lake. Raises `UsageError` for options that do not go
    together.
    """
    if not lake and destination in (None, "duckdb"):
        return DuckDBDestination(Path(database))
    from bedrock_async_etl.destinations.lake import LakeDestination

    if not lake:
        raise UsageError(f"--destination {destination} needs --lake: a folder or s3://BUCKET/PATH.")
    if destination == "duckdb":
        raise UsageError("--lake goes with --destination parquet or delta.")
    shard = configured_shard(shard)
    try:
        return LakeDestination(lake, destination, parse_shard(shard) if shard else None)
    except OptionError as error:
        raise UsageError(str(error)) from error


def configured_shard(shard: str | None = None) -> str | None:
    """The shard given, else the one that dlt's configuration has."""
    return shard or dlt.config.get(f"{'.'.join(SOURCE_SECTIONS)}.shard", str)


@with_config(sections=("bedrock_async_etl",))
def existing_destination(database: str = DEFAULT_DATABASE, lake: str | None = None) -> Destination:
    """What was loaded: a lake where one is named, else the DuckDB file.

    Raises `CommandError` where nothing was loaded yet.
    """
    from bedrock_async_etl.destinations.lake import LakeDestination

    if lake:
        return LakeDestination(lake).existing()
    return DuckDBDestination(Path(database)).existing()


@with_config(sections=("bedrock_async_etl",))
def existing_lake(lake: str | None = None) -> "LakeDestination":
    """The lake given, else the one that dlt's configuration has; raises `CommandError` without."""
    from bedrock_async_etl.destinations.lake import LakeDestination

    if not lake:
        raise UsageError("Which lake? Give --lake a folder or s3://BUCKET/PATH.")
    return LakeDestination(lake).existing()


@with_config(sections=("bedrock_async_etl",))
def load(
    destination: Destination,
    options: Mapping[str, Any] | None = None,
    *,
    slice_rows: int = SLICE_ROWS,
    observer: Watch | None = None,
) -> RunResult:
    """Run once; `options` are those of `new_extraction`, else dlt's configuration has them.

    Raises `UsageError`, `BusyError` or `CommandError` where the run as a whole cannot be done;
    a scope that fails is told by the result.
    """
    started = time.monotonic()
    with (
        destination.locked(),
        _one_line_errors(destination),
        destination.opened() as session,
        _extraction(session, observer, options or {}) as extraction,
    ):
        settled = settled_pipeline(session)
        version = settled.version
        show_to_dlt(settled.pipeline)
        while not extraction.is_finished:
            source = extraction_source(extraction, slice_rows)
            version = run_on(session, settled.pipeline, version, source)
            if observer:
                observer.slice_loaded(is_last=extraction.is_finished)
    return RunResult(
        extraction.run_id,
        str(destination),
        time.monotonic() - started,
        extraction.reports,
        settled.rows_recovered,
        is_part=extraction.shard is not None,
    )


def _extraction(
    session: Session, observer: Observer | None, options: Mapping[str, Any]
) -> Extraction:
    try:
        stored = session.stored if session.has_rows() else None
        return new_extraction(
            configured_options(**options),
            stored=stored,
            elsewhere=session.progress_elsewhere(),
            observer=observer,
        )
    except OptionError as error:
        raise UsageError(str(error)) from error
    except ScopeError as error:
        raise CommandError(str(error)) from error


@contextmanager
def _one_line_errors(destination: Destination) -> Iterator[None]:
    """What is told is the innermost."""
    logger = logging.getLogger("dlt")
    logger.addFilter(_is_told_by_dlt)
    try:
        yield
    except (DltException, duckdb.Error, OSError) as error:
        cause = innermost(error)
        if isinstance(cause, KeyboardInterrupt):
            raise cause from None
        if isinstance(cause, duckdb.IOException | OSError | UnsupportedStorageVersionException):
            raise CommandError(destination.explain(cause)) from error
        raise CommandError(f"The load failed: {describe(cause)}") from error
    finally:
        logger.removeFilter(_is_told_by_dlt)


def _is_told_by_dlt(record: logging.LogRecord) -> bool:
    """Not what its loader says of a job that fails, since that is told once and in one line."""
    return record.module != "load"
