"""The progress of a load: drawn on a terminal, in log lines elsewhere."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table

from bedrock_async_etl.console import error_console
from bedrock_async_etl.formatting import format_count
from bedrock_async_etl.load import REPORTED
from bedrock_async_etl.logs import LogFormat, log_event
from bedrock_async_invokes.columns import ScopeReport
from bedrock_async_invokes.run import Observer

SECONDS_BETWEEN_LINES: Final = 30.0
COUNTED: Final = ("account_id", "region", "rows_read", "calls", "throttled")
"""Members of the event `progress`."""
DRAWN_SCOPES: Final = 10
"""Scopes that are drawn; a thousand may be under way."""


@contextmanager
def load_progress(log_format: LogFormat = "text") -> Iterator[Observer]:
    """An observer of a load that fits stderr."""
    console = error_console()
    if console.is_terminal and log_format == "text":
        terminal = TerminalObserver()
        with Live(
            console=console,
            get_renderable=terminal.drawing,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,  # what goes there may go to a file
        ):
            yield terminal
    else:
        yield LogObserver(log_format)


class LogObserver(Observer):
    """Logs from time to time how far a long run is; for machines, each scope that ended."""

    def __init__(
        self, log_format: LogFormat = "text", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._is_json = log_format == "json"
        self._clock = clock
        self._logged_at = clock()
        self._scopes = self._ended = 0
        self._rows = self._slice_rows = 0

    def run_started(self, scopes: int) -> None:
        self._scopes = scopes
        if self._is_json:
            log_event("run_started", scopes=scopes)

    def scope_read(self, report: ScopeReport, share: float) -> None:
        self._ended += report.outcome is not None
        if self._is_json and report.outcome:
            is_whole = report.outcome == "ok" and not report.quarantined
            log_event(
                "scope_finished",
                level=logging.INFO if is_whole else logging.WARNING,
                **{name: getattr(report, name) for name in REPORTED},
            )
        else:
            self._log_progress(report)

    def slice_read(self, rows: int) -> None:
        self._slice_rows = rows

    def slice_loaded(self, *, is_last: bool) -> None:
        """Log the rows that are safe; for people, the closing table counts the last slice."""
        self._rows += self._slice_rows
        if self._is_json or not is_last:
            log_event(
                "slice_loaded",
                f"Loaded {format_count(self._rows, 'row')} so far.",
                rows=self._slice_rows,
                rows_loaded=self._rows,
            )

    def _log_progress(self, report: ScopeReport) -> None:
        now = self._clock()
        if now - self._logged_at < SECONDS_BETWEEN_LINES:
            return
        self._logged_at = now
        log_event(
            "progress",
            f"{report.scope}: {format_count(report.rows_read, 'row')} read, "
            f"{format_count(report.calls, 'call')}, {report.throttled:,} throttled; "
            f"{self._ended:,} of {format_count(self._scopes, 'scope')} done.",
            scopes=self._scopes,
            scopes_ended=self._ended,
            **{name: getattr(report, name) for name in COUNTED},
        )


class TerminalObserver(Observer):
    """Draws the totals, the scopes that are being read, and the slice that is being loaded.

    Reports count up while their scopes are read, so that each drawing is up to date.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._scopes = 0
        self._reports: list[ScopeReport] = []
        """Of all scopes that were started; other threads append to it."""
        self._in_turn: tuple[ScopeReport | None, float] = None, 0.0
        """The scope whose rows are taken, others being read ahead, and the share taken."""
        self._loading: int | None = None
        self._spinner = Spinner("dots")

    def run_started(self, scopes: int) -> None:
        self._scopes = scopes

    def scope_started(self, report: ScopeReport) -> None:
        self._reports.append(report)

    def scope_read(self, report: ScopeReport, share: float) -> None:
        self._in_turn = (None, 0.0) if report.outcome else (report, share)

    def slice_read(self, rows: int) -> None:
        self._loading = rows

    def slice_loaded(self, *, is_last: bool) -> None:
        self._loading = None

    def drawing(self) -> RenderableType:
        """The lines of this moment."""
        reports, (in_turn, share) = self._reports[:], self._in_turn
        reading = [report for report in reports if not report.outcome]
        ended = len(reports) - len(reading)
        total = Table.grid(padding=(0, 1))
        total.add_row(
            str(timedelta(seconds=int(time.monotonic() - self._started))),
            ProgressBar(self._scopes or None, completed=ended + share, width=8, pulse=False),
            f"{ended:,} of {format_count(self._scopes, 'scope')}, {_counts(reports)}",
        )
        lines = Table.grid(padding=(0, 2))
        for report in reading[:DRAWN_SCOPES]:
            taken = f"{share:4.0%}" if report is in_turn else ""
            lines.add_row(f"  {report.account_id}", report.region, taken, _counts([report]))
        drawn: list[RenderableType] = [total, lines] if reading else [total]
        if len(reading) > DRAWN_SCOPES:
            drawn.append(f"  and {len(reading) - DRAWN_SCOPES:,} more")
        if self._loading is not None:
            self._spinner.update(text=f"Loading {format_count(self._loading, 'row')}")
            drawn.append(self._spinner)
        return Group(*drawn)


def _counts(reports: Sequence[ScopeReport]) -> str:
    rows, calls, throttled = (
        sum(getattr(report, name) for report in reports)
        for name in ("rows_read", "calls", "throttled")
    )
    refused = f", {throttled:,} throttled" if throttled else ""
    return f"{format_count(rows, 'row')}, {format_count(calls, 'call')}{refused}"
