"""Load what is new or changed of every scope into the destination."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Final

import duckdb
from dlt.common.exceptions import DltException
from dlt.common.storages.exceptions import UnsupportedStorageVersionException

from bedrock_async_etl.configuration import configured, configured_options, filtered
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.dlt_state import (
    explain_working_directory,
    innermost,
    link_for_dlt,
    settle,
)
from bedrock_async_etl.errors import CommandError
from bedrock_async_invokes import Extraction, RunContext, extraction_source
from bedrock_async_invokes.columns import ADDED_UP, ScopeReport
from bedrock_async_invokes.errors import describe
from bedrock_async_invokes.options import LoadOptions
from bedrock_async_invokes.run import Observer
from bedrock_async_invokes.windows import Window

SLICE_ROWS: Final = 241_000
"""Rows with which a load package ends, and so what a killed run reads again.

With its last table, of up to 4,000 rows, it stays under two of DuckDB's row groups: a few rows in
a third would be written again with those of the next package.
"""
OF_THE_RUN: Final = ("run_id", "started_at", "finished_at", "version")
REPORTED: Final = tuple(each.name for each in fields(ScopeReport) if each.name not in OF_THE_RUN)
"""Columns of `extract_runs` that a scope has in the document of `run --json`."""


@dataclass(frozen=True)
class RunResult:
    """The result of one load."""

    run_id: str
    destination: str
    seconds: float
    scopes: Sequence[ScopeReport]
    rows_recovered: int
    """Read by a run that was killed, and loaded by this one before all else."""
    is_part: bool
    """True if only a shard of the scopes was read."""

    @property
    def rows_loaded(self) -> int:
        return sum(scope.rows_new + scope.rows_changed + scope.rows_healed for scope in self.scopes)

    @property
    def totals(self) -> dict[str, Any]:
        """Counts of `extract_runs`, over all scopes."""
        return {name: sum(getattr(scope, name) for scope in self.scopes) for name in ADDED_UP}

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


def load(
    destination: Destination,
    options: Mapping[str, Any] | None = None,
    *,
    slice_rows: int | None = None,
    observer: Observer | None = None,
    repairs: Mapping[str, Sequence[Window]] | None = None,
) -> RunResult:
    """Load once; `options` are those of `LoadOptions`, the others are dlt's configuration.

    `repairs` are windows by scope that are read again and compared with the destination. Raises
    `OptionError`, `ScopeError`, `BusyError` or `CommandError` where the run as a whole cannot be
    done; a scope that fails is in the result.
    """
    started = time.monotonic()
    slice_rows = slice_rows or configured("slice_rows", int) or SLICE_ROWS
    with (
        destination.locked(),
        one_line_errors(destination),
        destination.load_session() as session,
    ):
        load_options = configured_options(LoadOptions, options)
        elsewhere = session.progress_elsewhere()
        # Before any call: where the destination is held, a package that is pending stays so.
        settled = settle(session.pipeline, destination.working_directory, session.writing)
        link_for_dlt(settled.pipeline)
        context = RunContext(
            load_options,
            stored=session.stored,
            elsewhere=elsewhere,
            is_empty=not session.has_rows(),
            repairs=repairs or {},
            observer=observer or Observer(),
        )
        with Extraction(context) as extraction:
            while not extraction.is_finished:
                source = session.with_write_hints(extraction_source(extraction, slice_rows))
                settled.run(source, session.can_go_on)
                context.observer.slice_loaded(is_last=extraction.is_finished)
    return RunResult(
        extraction.run_id,
        str(destination),
        time.monotonic() - started,
        extraction.reports,
        settled.rows_recovered,
        is_part=load_options.shard is not None,
    )


@contextmanager
def one_line_errors(destination: Destination) -> Iterator[None]:
    """Raise the innermost error, in one line; dlt logs no error of its loader and no traceback."""
    try:
        with filtered("dlt", lambda record: record.module != "load" and not record.exc_info):
            yield
    except (DltException, duckdb.Error, OSError) as error:
        cause = innermost(error)
        if isinstance(cause, KeyboardInterrupt | CommandError):
            raise cause from None
        if isinstance(cause, OSError) and (reason := explain_working_directory(cause)):
            raise CommandError(reason) from error
        if isinstance(cause, duckdb.IOException | OSError | UnsupportedStorageVersionException):
            raise CommandError(destination.explain(cause)) from error
        raise CommandError(f"The load failed: {describe(cause)}") from error
