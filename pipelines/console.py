"""What people see: a progress bar on a terminal, plain lines elsewhere, tables at the end."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipelines.checks import CheckResult
from pipelines.load import RunResult
from pipelines.models import BuiltModel, OnBuilt
from pipelines.refresh import Refresh
from sources.bedrock_async_invokes.reports import Observer, ScopeReport

if TYPE_CHECKING:
    from pipelines.export.export import ExportResult
    from pipelines.lake.compact import Compaction
    from pipelines.report.report import ReportResult


class ProgressBar:
    """An `Observer` that draws how much of all scopes has been read."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rows]:,} rows, {task.fields[calls]:,} calls"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("Reading", total=None, rows=0, calls=0)
        self._reports: dict[tuple[str, str], tuple[ScopeReport, float]] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def run_started(self, scopes: int) -> None:
        """Scale the bar."""
        self._progress.update(self._task, total=scopes)

    def scope_read(self, report: ScopeReport, share: float) -> None:
        """Move the bar."""
        self._reports[report.account_id, report.region] = report, share
        self._progress.update(
            self._task,
            description=f"Reading {report.account_id}/{report.region}",
            completed=sum(share for _, share in self._reports.values()),
            rows=sum(each.rows_read for each, _ in self._reports.values()),
            calls=sum(each.calls for each, _ in self._reports.values()),
        )


class PlainLines:
    """An `Observer` that prints a line for each scope as it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def run_started(self, scopes: int) -> None:
        """Say how much there is to do."""
        self._console.print(f"Reading {scopes} {'scope' if scopes == 1 else 'scopes'}.")

    def scope_read(self, report: ScopeReport, share: float) -> None:
        """Say how a scope ended."""
        if report.outcome is None:
            return
        told = report.error or (
            f"{report.rows_new:,} new, {report.rows_changed:,} changed, "
            f"{report.open_invocations:,} open, {report.calls:,} calls"
        )
        self._console.print(f"{report.account_id}/{report.region}: {report.outcome}: {told}")


@contextmanager
def watched_models() -> Iterator[OnBuilt]:
    """What draws how far the models are, where stderr is a terminal; else it says nothing."""
    console = error_console()
    columns = (TextColumn("Building {task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("models", total=None)

        def on_built(model: BuiltModel, total: int) -> None:
            progress.update(task, description=model.name, total=total, advance=1)

        yield on_built


@contextmanager
def watched() -> Iterator[Observer]:
    """An observer that fits where stderr goes."""
    console = error_console()
    if console.is_terminal:
        with ProgressBar(console) as bar:
            yield bar
    else:
        yield PlainLines(console)


def error_console() -> Console:
    """Stderr."""
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def output_console() -> Console:
    """Stdout; where it is no terminal, wide enough that a table's rows stay whole."""
    width = None if sys.stdout.isatty() else 200
    return Console(width=width, soft_wrap=True, highlight=False, markup=False)


def plain_table(*texts: str, numbers: Sequence[str] = ()) -> Table:
    """A table without lines: columns of text, and after them columns of numbers."""
    table = Table(*texts, box=None, pad_edge=False)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def print_result(result: RunResult) -> None:
    """A row per scope, and what was loaded in all."""
    numbers = ("new", "changed", "open", "vanished", "calls")
    table = plain_table("account", "region", "outcome", numbers=numbers)
    table.add_column("submitted through (UTC)")
    for scope in result.scopes:
        counts = (
            scope.rows_new,
            scope.rows_changed,
            scope.open_invocations,
            scope.vanished,
            scope.calls,
        )
        table.add_row(
            scope.account_id,
            scope.region,
            scope.outcome,
            *(f"{count:,}" for count in counts),
            show_time(scope.submitted_through),
        )
    console = output_console()
    console.print(table)
    for scope in result.failed:
        console.print(f"{scope.account_id}/{scope.region} failed: {scope.error}")
    if result.rows_recovered:
        console.print(
            f"{result.rows_recovered:,} rows that a killed run had read were loaded first."
        )
    console.print(
        f"Loaded {result.rows_loaded:,} rows into {result.destination} in {result.seconds:.1f} s."
    )


def print_models(models: Sequence[BuiltModel]) -> None:
    """A row per model, if they were built."""
    if not models:
        return
    table = plain_table("model", numbers=("rows", "seconds"))
    for model in models:
        table.add_row(model.name, f"{model.rows:,}", f"{model.seconds:.2f}")
    output_console().print(table)


def print_refresh(refresh: Refresh) -> None:
    """Whether the models are fresh, and what broke which rule; what failed goes to stderr."""
    console = output_console()
    errors = error_console()
    if refresh.error:
        errors.print(f"Error: {refresh.error}")
        return
    seconds = sum(model.seconds for model in refresh.models)
    held = len(refresh.checks) - len(refresh.broken)
    console.print(
        f"Built {len(refresh.models)} models in {seconds:.1f} s; "
        f"{held} of {len(refresh.checks)} checks hold."
    )
    for check in refresh.broken:
        errors.print(f"Check {check.name}: {check.error or _violations(check)}")
        for example in check.examples:
            errors.print("  " + ", ".join(f"{name}={example[name]}" for name in example))


def _violations(check: CheckResult) -> str:
    rows = "row breaks" if check.violations == 1 else "rows break"
    rule = f": {check.description}" if check.description else "."
    return f"{check.violations:,} {rows} the rule{rule}"


def print_export(result: "ExportResult") -> None:
    """A row per table of which something is written or removed, and the totals."""
    numbers = ("written", "removed", "left", "rows written", "rows")
    table = plain_table("table", numbers=numbers)
    for each in result.tables:
        if each.written or each.removed:
            counts = (
                len(each.written),
                len(each.removed),
                len(each.left),
                sum(partition.rows for partition in each.written),
                each.rows,
            )
            table.add_row(each.name, *(f"{count:,}" for count in counts))
    console = output_console()
    if table.row_count:
        console.print(table)
    if not result.has_models:
        error_console().print(
            "There are no models: only the rows are exported. Build with `models`."
        )
    console.print(_export_totals(result))


def _export_totals(result: "ExportResult") -> str:
    written = [partition for table in result.tables for partition in table.written]
    removed = sum(len(table.removed) for table in result.tables)
    left = sum(len(table.left) for table in result.tables)
    rows = sum(partition.rows for partition in written)
    partitions = "1 partition" if len(written) == 1 else f"{len(written):,} partitions"
    counts = f"{partitions} with {rows:,} rows to {result.url}"
    others = f"{removed:,} removed, {left:,} left as they are"
    if result.dry_run:
        return f"Would write {counts}: {others}. Nothing was touched."
    megabytes = sum(partition.bytes for partition in written) / 1e6
    return f"Wrote {counts}, {megabytes:,.1f} MB, in {result.seconds:.1f} s; {others}."


def print_compactions(done: "list[Compaction]") -> None:
    """A row per table."""
    table = plain_table(
        "table", numbers=("files", "files now", "rows rewritten", "replaced before, removed")
    )
    for each in done:
        counts = (each.files_before, each.files_after, each.rows_rewritten, each.removed)
        table.add_row(each.table, *(f"{count:,}" for count in counts))
    output_console().print(table)


def print_report(result: "ReportResult") -> None:
    """Where the page is, and how much it tells of."""
    output_console().print(
        f"Wrote {result.path}: {result.invocations:,} invocations, {result.bytes / 1e6:.1f} MB, "
        f"in {result.seconds:.1f} s. Open it in a browser."
    )


def print_text(text: str) -> None:
    """Text as it is, to be pasted."""
    output_console().print(text, end="")


def show_time(time: datetime | None) -> str:
    """UTC to the second, or a dash."""
    return f"{time:%Y-%m-%d %H:%M:%S}" if time else "-"
