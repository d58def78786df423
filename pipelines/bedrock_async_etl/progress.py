"""Telling how a run goes: drawn on a terminal, in plain lines elsewhere, or as JSON."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bedrock_async_etl.commands.console import error_console
from bedrock_async_etl.configuration import configured
from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.formatting import counted, quarantine_told
from bedrock_async_etl.load import REPORTED, Watch
from bedrock_async_etl.logs import LogFormat, tell, tell_error
from bedrock_async_etl.models.build import BuiltModel, OnBuilt
from bedrock_async_etl.models.checks import CheckResult
from bedrock_async_etl.models.refresh import Refresh
from bedrock_async_etl.terminal import Terminal
from bedrock_async_invokes.columns import ScopeReport

if TYPE_CHECKING:
    from bedrock_async_etl.run import Run

SECONDS_BETWEEN_LINES: Final = 30.0
FEW_SCOPES: Final = 50
"""So many have a line each, whatever came of them; among more, those with something to say."""


def find_log_format(log_format: str | None = None) -> LogFormat:
    """The format given, else the one that dlt's configuration has."""
    log_format = log_format or configured("bedrock_async_etl", "log_format", str) or LogFormat.TEXT
    try:
        return LogFormat(log_format)
    except ValueError:
        choices = " or ".join(LogFormat)
        raise UsageError(f"log_format is {choices}, not {log_format!r}.") from None


class Lines:
    """A `Watch` that tells of what has ended, and now and then of what has not."""

    def __init__(self, log_format: LogFormat, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_json = log_format == LogFormat.JSON
        self._clock = clock
        self._told_at = clock()
        self._scopes = self._ended = 0
        self._rows = self._slice_rows = 0

    def run_started(self, scopes: int) -> None:
        """Say how much there is to do."""
        self._scopes = scopes
        tell("run_started", f"Reading {counted(scopes, 'scope')}.", scopes=scopes)

    def scope_started(self, report: ScopeReport) -> None:
        """Nothing has come of it yet."""

    def scope_read(self, report: ScopeReport, share: float) -> None:
        """Say how a scope ended, or how far a long one is."""
        self._ended += report.outcome is not None
        if report.outcome is None:
            self._tell_progress(report)
        elif self._is_json or self._scopes <= FEW_SCOPES or report.has_news:
            _tell_scope(report)

    def slice_read(self, rows: int) -> None:
        """Count it."""
        self._slice_rows = rows

    def slice_loaded(self, *, is_last: bool) -> None:
        """Say what is safe; the closing table does so for the last slice."""
        self._rows += self._slice_rows
        if self._is_json or not is_last:
            tell(
                "slice_loaded",
                f"Loaded {counted(self._rows, 'row')} so far.",
                rows=self._slice_rows,
                rows_loaded=self._rows,
            )

    def _tell_progress(self, report: ScopeReport) -> None:
        now = self._clock()
        if now - self._told_at < SECONDS_BETWEEN_LINES:
            return
        self._told_at = now
        tell(
            "progress",
            f"{report.account_id}/{report.region}: {counted(report.rows_read, 'row')} read, "
            f"{counted(report.calls, 'call')}, {report.throttled:,} throttled; "
            f"{self._ended:,} of {counted(self._scopes, 'scope')} done.",
            account_id=report.account_id,
            region=report.region,
            rows_read=report.rows_read,
            calls=report.calls,
            throttled=report.throttled,
            scopes=self._scopes,
            scopes_ended=self._ended,
        )


def _tell_scope(report: ScopeReport) -> None:
    told = report.error or (
        f"{report.rows_new:,} new, {report.rows_changed:,} changed, "
        f"{report.open_invocations:,} open, {counted(report.calls, 'call')}"
        + (f", {report.throttled:,} throttled" if report.throttled else "")
    )
    if report.quarantined:
        told += f"; {quarantine_told(report.quarantined, report.quarantine_reason)}"
    tell(
        "scope_finished",
        f"{report.account_id}/{report.region}: {report.outcome}: {told}",
        logging.INFO if report.outcome == "ok" and not report.quarantined else logging.WARNING,
        **{name: getattr(report, name) for name in REPORTED},
    )


@contextmanager
def watched(log_format: LogFormat = LogFormat.TEXT) -> Iterator[Watch]:
    """What tells how a load goes in the way that fits where stderr goes."""
    console = error_console()
    if console.is_terminal and log_format == LogFormat.TEXT:
        with Terminal(console) as terminal:
            yield terminal
    else:
        yield Lines(log_format)


@contextmanager
def watched_models(log_format: LogFormat = LogFormat.TEXT) -> Iterator[OnBuilt]:
    """What draws how far the models are on a terminal, and tells of each as JSON."""
    console = error_console()
    is_json = log_format == LogFormat.JSON
    columns = (TextColumn("Building {task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=is_json or not console.is_terminal
    ) as progress:
        task = progress.add_task("models", total=None)

        def on_built(model: BuiltModel, total: int) -> None:
            progress.update(task, description=model.name, total=total, advance=1)
            if is_json:
                seconds = round(model.seconds, 3)
                tell("model_built", name=model.name, rows=model.rows, seconds=seconds)

        yield on_built


def tell_refresh(refresh: Refresh, log_format: LogFormat = LogFormat.TEXT) -> None:
    """Tell what could not be built, and what broke which rule; as JSON, what holds, too."""
    if refresh.error:
        tell_error(refresh.error)
    for check in refresh.checks:
        if not check.holds or log_format == LogFormat.JSON:
            _tell_check(check, log_format)


def _tell_check(check: CheckResult, log_format: LogFormat) -> None:
    """The rows that break a rule are in no log: one's own rules may show messages."""
    is_text = log_format == LogFormat.TEXT
    told = check.complaint_with_examples if is_text else check.complaint
    tell(
        "check",
        "" if check.holds else told,
        logging.INFO if check.holds else logging.ERROR,
        name=check.name,
        holds=check.holds,
        violations=check.violations,
    )


def tell_run(run: "Run", log_format: LogFormat) -> None:
    """Tell, as JSON, the facts of the closing tables."""
    loaded, refreshed = run.loaded, run.refreshed
    if loaded.is_part:
        tell("models_left", "This was a shard: rebuild the models with `models` after the last.")
    if log_format == LogFormat.JSON:
        tell(
            "run_finished",
            run_id=loaded.run_id,
            destination=loaded.destination,
            exit_code=run.exit_code,
            seconds=round(loaded.seconds, 3),
            rows_loaded=loaded.rows_loaded,
            rows_recovered=loaded.rows_recovered,
            scopes=len(loaded.scopes),
            scopes_failed=len(loaded.failed),
            **loaded.totals,
            models_built=len(refreshed.models),
            checks_broken=len(refreshed.broken),
        )
