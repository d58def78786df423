"""A run on a terminal: what is read in all, what is being read now, what is being loaded."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table

from bedrock_async_etl.formatting import counted
from bedrock_async_invokes.columns import ScopeReport

LINES: Final = 10
"""Scopes that are drawn; a thousand may be under way."""


class Terminal:
    """A `Watch` that draws. Told of a scope it does the same work whether there are two or 10,000.

    Reports count up while they are read, so what is drawn is always what is.
    """

    def __init__(self, console: Console) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._scopes = self._ended = 0
        self._rows = self._calls = self._throttled = 0
        """Of the scopes that ended."""
        self._reading: dict[int, ScopeReport] = {}
        self._taken_in: ScopeReport | None = None
        """The scope whose turn it is; others are read ahead."""
        self._share = 0.0
        """How much of it was taken in."""
        self._loading: int | None = None
        self._spinner = Spinner("dots")
        self._live = Live(
            console=console,
            get_renderable=self.drawn,
            refresh_per_second=8,
            transient=True,
            # What goes to stdout may go to a file.
            redirect_stdout=False,
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def run_started(self, scopes: int) -> None:
        """There is something to measure by."""
        self._scopes = scopes

    def scope_started(self, report: ScopeReport) -> None:
        """It has a line."""
        with self._lock:
            self._reading[id(report)] = report

    def scope_read(self, report: ScopeReport, share: float) -> None:
        """Its line goes when it ends."""
        with self._lock:
            self._taken_in, self._share = report, share
            if report.outcome:
                self._taken_in, self._share = None, 0.0
                self._reading.pop(id(report), None)
                self._ended += 1
                self._rows += report.rows_read
                self._calls += report.calls
                self._throttled += report.throttled

    def slice_read(self, rows: int) -> None:
        """It is loaded now."""
        self._loading = rows

    def slice_loaded(self, *, is_last: bool) -> None:
        """Reading goes on."""
        self._loading = None

    def drawn(self) -> RenderableType:
        """The picture of this moment."""
        with self._lock:
            reading = list(islice(self._reading.values(), LINES))
            more = len(self._reading) - len(reading)
            total = self._total()
        return Group(total, *self._lines(reading, more))

    def _total(self) -> RenderableType:
        under_way = self._reading.values()
        counts = (
            self._rows + sum(report.rows_read for report in under_way),
            self._calls + sum(report.calls for report in under_way),
            self._throttled + sum(report.throttled for report in under_way),
        )
        bar = ProgressBar(
            total=self._scopes or None, completed=self._ended + self._share, width=8, pulse=False
        )
        line = Table.grid(padding=(0, 1))
        elapsed = timedelta(seconds=int(time.monotonic() - self._started))
        told = f"{self._ended:,} of {counted(self._scopes, 'scope')}, {_costs(*counts)}"
        line.add_row(str(elapsed), bar, told)
        return line

    def _lines(self, reading: list[ScopeReport], more: int) -> Iterator[RenderableType]:
        if reading:
            lines = Table.grid(padding=(0, 2))
            for report in reading:
                costs = _costs(report.rows_read, report.calls, report.throttled)
                share = f"{self._share:4.0%}" if report is self._taken_in else ""
                lines.add_row(f"  {report.account_id}", report.region, share, costs)
            yield lines
        if more:
            yield f"  and {more:,} more"
        if self._loading is not None:
            self._spinner.update(text=f"Loading {counted(self._loading, 'row')}")
            yield self._spinner


def _costs(rows: int, calls: int, throttled: int) -> str:
    refused = f", {throttled:,} throttled" if throttled else ""
    return f"{counted(rows, 'row')}, {counted(calls, 'call')}{refused}"
