"""`run`: load, rebuild the models, check both, compact a lake."""

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bedrock_async_etl.commands.models import print_refresh
from bedrock_async_etl.commands.options import (
    JsonOption,
    Load,
    Models,
    NewCopy,
    Output,
    StrictOption,
    destination_options,
)
from bedrock_async_etl.configuration import setting
from bedrock_async_etl.console import MAX_ROWS, is_within, output_console, plain_table, print_json
from bedrock_async_etl.formatting import (
    MAX_LINES,
    failure_lines,
    format_count,
    format_duration,
    format_time,
    quarantine_message,
)
from bedrock_async_etl.logs import LOGS, LogFormat, log_event
from bedrock_async_etl.options import RunOptions, drop_none

if TYPE_CHECKING:
    from rich.table import Table

    from bedrock_async_etl.load import RunResult
    from bedrock_async_etl.load.verification import ScopeComparison
    from bedrock_async_etl.run import Run
    from bedrock_async_invokes.columns import ScopeReport

EXAMPLES: Final = """\
# The caller's account and region, into bedrock_async.duckdb
bedrock-async-etl run

# Two regions, and one more account
bedrock-async-etl run --region us-east-1 --region us-west-2 \\
    --role-arn arn:aws:iam::444455556666:role/bedrock-async-etl

# Every account of the organization, into a lake
bedrock-async-etl run --organization-role bedrock-async-etl --lake s3://my-bucket/bedrock

# With a copy for analysts and dashboards, replaced at once when something has changed
bedrock-async-etl run --publish bedrock_readers.duckdb

# Everything submitted in March once more
bedrock-async-etl run --since 2026-03-01 --until 2026-04-01
"""
COLUMNS: Final = {
    "new": "rows_new",
    "changed": "rows_changed",
    "healed": "rows_healed",
    "open": "open_invocations",
    "vanished": "vanished",
    "calls": "calls",
    "throttled": "throttled",
}
"""Headings of the table, and what they count."""
RARE: Final = ("rows_healed", "vanished", "throttled")
"""Columns that are left out where they are all 0."""


def command(
    copy: NewCopy,
    load: Load,
    models: Models,
    output: Output,
    no_models: Annotated[
        bool,
        typer.Option(
            "--no-models",
            help="Load only: neither rebuild models nor check.",
            rich_help_panel="Models",
        ),
    ] = False,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> int:
    """Load what is new or changed, rebuild the models, check both.

    Exit codes: 0 good, 1 failed or a check does not hold, 2 wrong usage, 3 some scopes failed and
    the rest was loaded, 75 another process holds this destination.
    """
    log_format: LogFormat = setting(RunOptions, "log_format", output.get("log_format"))
    LOGS.use(log_format)
    from bedrock_async_etl.destinations import find_destination
    from bedrock_async_etl.destinations.database.published_copy import find_publisher
    from bedrock_async_etl.metrics import find_metrics
    from bedrock_async_etl.models.build import find_models
    from bedrock_async_etl.run import run_once

    prints_tables = log_format == "text" and not as_json

    def on_loaded(result: "RunResult") -> None:
        if log_format == "text":
            log_failures(result)
        if prints_tables:
            print_result(result)

    place, shard = destination_options(copy), drop_none(shard=load.get("shard"))
    target = find_destination(**place, **shard)
    run = run_once(
        target,
        load,
        find_models(**models),
        builds_models=not no_models,
        strict=strict,
        log_format=log_format,
        metrics=find_metrics(target, **drop_none(metrics=output.get("metrics")), **shard),
        publisher=find_publisher(target, **drop_none(publish=output.get("publish"))),
        on_loaded=on_loaded,
    )
    if as_json:
        print_json(run.as_json())
    elif prints_tables:
        if run.refreshed:
            print_refresh(run.refreshed)
        for done in (run.compaction, run.published):
            if done and not done.error:
                output_console().print(done.message)
        if verdict := _verdict(run):
            output_console().print(verdict)
    return run.exit_code


def log_failures(result: "RunResult") -> None:
    """Log the scopes that failed, in one line for each reason, and rows that were not loaded."""
    log_unread(result.failed)
    for scope in [scope for scope in result.scopes if scope.quarantined][:MAX_LINES]:
        message = quarantine_message(scope.quarantined, scope.quarantine_reason)
        log_event("failure", f"{scope.scope}: {message}", logging.WARNING)
    for scope in [scope for scope in result.scopes if scope.rows_late][:MAX_LINES]:
        was = "was" if scope.rows_late == 1 else "were"
        message = (
            f"{scope.scope}: {format_count(scope.rows_late, 'invocation')} {was} listed later than "
            "the lag allows for, and found by the scrub up to "
            f"{format_duration(scope.late_seconds)} after submission. If that goes on, try a "
            "longer --lag."
        )
        log_event("late", message, logging.WARNING)


def log_unread(failed: "Iterable[ScopeReport | ScopeComparison]") -> None:
    """Log the scopes that could not be read, in one line for each reason."""
    failures = ((scope.account_id, scope.region, str(scope.error)) for scope in failed)
    for line in failure_lines(failures, MAX_LINES):
        log_event("failure", line, logging.WARNING)


def print_result(result: "RunResult") -> None:
    """Print a row for each scope that has news, and the totals."""
    console = output_console()
    shown = scopes_shown(result.scopes)
    table = _scopes_table(shown, has_times=True)
    console.print(table if is_within(console, table) else _scopes_table(shown, has_times=False))
    known = set(map(id, shown))
    if rest := [scope for scope in result.scopes if id(scope) not in known]:
        console.print(_totals(rest))
    if result.rows_recovered:
        rows = format_count(result.rows_recovered, "row")
        console.print(f"Recovered from a killed run: {rows}.")
    rows = format_count(result.rows_loaded, "row")
    console.print(f"Loaded {rows} into {result.destination} in {result.seconds:.1f} s.")


def _verdict(run: "Run") -> str | None:
    """The verdict on an incomplete run, in one line; None after a good one."""
    failed, scopes = len(run.loaded.failed), format_count(len(run.loaded.scopes), "scope")
    if run.loaded.exit_code == 1:
        return f"Failed: {scopes} could not be read."
    if run.refreshed and run.refreshed.is_busy:
        return "Loaded; the models are left to the next run."
    if run.refreshed and run.refreshed.error:
        return "Failed: the models were not rebuilt."
    if run.refreshed and (broken := len(run.refreshed.broken)):
        return f"Failed: {format_count(broken, 'check')} broken."
    if failed:
        what = f"Partly loaded: {failed:,} of {scopes} failed."
        return f"{what} A run catches up once the cause is gone."
    if run.published and run.published.error:
        return "Failed: the copy for readers was not published."
    return "Failed: the metrics were not written." if run.exit_code else None


def scopes_shown(scopes: "Sequence[ScopeReport]") -> "list[ScopeReport]":
    """All scopes if they are few; else those that failed, then those with the most news."""
    if len(scopes) <= MAX_ROWS:
        return list(scopes)
    news = [scope for scope in scopes if scope.has_news]
    news.sort(key=lambda scope: (scope.outcome == "ok", -scope.rows_new - scope.rows_changed))
    return news[:MAX_ROWS]


def _scopes_table(scopes: "Sequence[ScopeReport]", *, has_times: bool) -> "Table":
    rare = {name for name in RARE if not any(getattr(scope, name) for scope in scopes)}
    columns = {heading: name for heading, name in COLUMNS.items() if name not in rare}
    rows = [
        [scope.account_id, scope.region, scope.outcome]
        + [getattr(scope, name) for name in columns.values()]
        + ([format_time(scope.submitted_through)] if has_times else [])
        for scope in scopes
    ]
    times = ["submitted through (UTC)"] if has_times else []
    headings = ["account", "region", "outcome", *columns, *times]
    return plain_table(headings, rows, numbers=columns)


def _totals(scopes: "Sequence[ScopeReport]") -> str:
    failed = sum(scope.outcome != "ok" for scope in scopes)
    failures = f" ({failed:,} failed)" if failed else ""
    counts = []
    for heading, name in COLUMNS.items():
        total = sum(getattr(scope, name) for scope in scopes)
        if total or heading not in ("healed", "vanished"):
            counts.append(f"{total:,} {heading.removesuffix('s') if total == 1 else heading}")
    return f"and {format_count(len(scopes), 'more scope')}{failures}: {', '.join(counts)}"
