"""What people see at the end: tables on stdout."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bedrock_async_etl.formatting import counted, quarantine_told, show_time, visible
from bedrock_async_etl.load import RunResult
from bedrock_async_etl.models.build import BuiltModel
from bedrock_async_etl.models.refresh import Refresh
from bedrock_async_invokes.columns import ScopeReport

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.compaction import Compaction
    from bedrock_async_etl.export.export import ExportResult
    from bedrock_async_etl.report.report import ReportResult

ROWS: Final = 50
"""Scopes that a table has; the others are summed up."""
WIDE: Final = 95
"""Columns of a terminal on which all that a table has to tell fits."""
FAILURES: Final = 20
"""Failures that are told one by one."""


class PlainConsole(Console):
    """Prints ARNs and model ids as they are, but for what a terminal would obey."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)


def error_console() -> Console:
    """Stderr."""
    return PlainConsole(stderr=True, soft_wrap=True, highlight=False, markup=False)


def output_console() -> Console:
    """Stdout; where it is no terminal, wide enough that a table's rows stay whole."""
    width = None if sys.stdout.isatty() else 200
    return PlainConsole(width=width, soft_wrap=True, highlight=False, markup=False)


def plain_table(*texts: str, numbers: Sequence[str] = ()) -> Table:
    """A table without lines: columns of text, and after them columns of numbers."""
    table = Table(*texts, box=None, pad_edge=False)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def print_result(result: RunResult) -> None:
    """A row per scope that has something to tell, and what was loaded in all."""
    console = output_console()
    shown = told_scopes(result.scopes)
    console.print(_scopes_table(shown, has_room=console.width >= WIDE))
    known = set(map(id, shown))
    if rest := [scope for scope in result.scopes if id(scope) not in known]:
        console.print(_summed_up(rest))
    for scope in result.failed[:FAILURES]:
        console.print(f"{scope.account_id}/{scope.region} failed: {scope.error}")
    if len(result.failed) > FAILURES:
        console.print(f"{len(result.failed) - FAILURES:,} more failed: `status --all` has each.")
    for scope in [scope for scope in result.scopes if scope.quarantined][:FAILURES]:
        told = quarantine_told(scope.quarantined, scope.quarantine_reason)
        console.print(f"{scope.account_id}/{scope.region}: {told}")
    if result.rows_recovered:
        rows = counted(result.rows_recovered, "row")
        console.print(f"Loaded first what a killed run had read: {rows}.")
    rows = counted(result.rows_loaded, "row")
    console.print(f"Loaded {rows} into {result.destination} in {result.seconds:.1f} s.")


def told_scopes(scopes: Sequence[ScopeReport]) -> list[ScopeReport]:
    """All scopes where they are few; else those that failed, then those with the most news."""
    if len(scopes) <= ROWS:
        return list(scopes)
    news = [scope for scope in scopes if scope.has_news]
    news.sort(key=lambda scope: (scope.outcome == "ok", -scope.rows_new - scope.rows_changed))
    return news[:ROWS]


def _scopes_table(scopes: Sequence[ScopeReport], *, has_room: bool) -> Table:
    """What is rare has a column only where there is some of it, or room; `status` has the rest."""
    columns = {
        "new": "rows_new",
        "changed": "rows_changed",
        "open": "open_invocations",
        "vanished": "vanished",
        "calls": "calls",
        "throttled": "throttled",
    }
    for heading in ("vanished", "throttled"):
        if not any(getattr(scope, heading) for scope in scopes):
            del columns[heading]
    table = plain_table("account", "region", "outcome", numbers=list(columns))
    if has_room:
        table.add_column("submitted through (UTC)")
    for scope in scopes:
        cells = [f"{getattr(scope, name):,}" for name in columns.values()]
        if has_room:
            cells.append(show_time(scope.submitted_through))
        table.add_row(scope.account_id, scope.region, scope.outcome, *cells)
    return table


def _summed_up(scopes: Sequence[ScopeReport]) -> str:
    failed = sum(scope.outcome != "ok" for scope in scopes)
    counts = (
        f"{sum(scope.rows_new for scope in scopes):,} new",
        f"{sum(scope.rows_changed for scope in scopes):,} changed",
        f"{sum(scope.open_invocations for scope in scopes):,} open",
        counted(sum(scope.calls for scope in scopes), "call"),
        f"{sum(scope.throttled for scope in scopes):,} throttled",
    )
    told = f" ({failed:,} failed)" if failed else ""
    return f"and {counted(len(scopes), 'more scope')}{told}: {', '.join(counts)}"


def print_models(models: Sequence[BuiltModel]) -> None:
    """A row per model, if they were built."""
    if not models:
        return
    table = plain_table("model", numbers=("rows", "seconds"))
    for model in models:
        table.add_row(model.name, f"{model.rows:,}", f"{model.seconds:.2f}")
    output_console().print(table)


def print_refresh(refresh: Refresh) -> None:
    """Whether the models are fresh, and how many rules hold."""
    if refresh.error:
        return
    seconds = sum(model.seconds for model in refresh.models)
    held = len(refresh.checks) - len(refresh.broken)
    output_console().print(
        f"Built {counted(len(refresh.models), 'model')} in {seconds:.1f} s; "
        f"{held} of {len(refresh.checks)} checks hold."
    )


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
    partitions = counted(len(written), "partition")
    counts = f"{partitions} with {counted(rows, 'row')} to {result.url}"
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
