"""`status`: five sentences, the invocations that are stuck, and the scopes."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bedrock_async_etl.commands.options import Copy, JsonOption, existing_copy
from bedrock_async_etl.configuration import configured
from bedrock_async_etl.console import MAX_LINES, MAX_ROWS, output_console, plain_table, print_json
from bedrock_async_etl.formatting import (
    failure_lines,
    format_count,
    format_duration,
    format_time,
    incident_message,
    quarantine_message,
)
from bedrock_async_invokes.options import LoadOptions

if TYPE_CHECKING:
    from rich.table import Table

    from bedrock_async_etl.status import Row, Status

EXAMPLES: Final = """\
# Is the copy fresh, whole and exact, what is stuck, and what is failing?
bedrock-async-etl status

# Of every scope of a lake, for a machine
bedrock-async-etl status --lake lake --json
"""


def command(
    copy: Copy,
    all_scopes: Annotated[
        bool, typer.Option("--all", help="Show every scope, however many there are.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show if the copy is fresh, whole, exact; what is stuck or fails."""
    from bedrock_async_etl.status import read_status

    target = existing_copy(copy)
    calls = configured("sources.bedrock_async_invokes", "scrub_calls", int)
    calls = LoadOptions.scrub_calls if calls is None else calls
    status = read_status(target, datetime.now(UTC), calls)
    if as_json:
        print_json(status.as_json())
    else:
        print_status(status, all_scopes=all_scopes)


def print_status(status: "Status", *, all_scopes: bool) -> None:
    """Print it; of very many scopes those that failed and the stalest, unless all are asked for."""
    console = output_console()
    for line in (_fresh(status), _whole(status), _exact(status), _stuck(status), *_failing(status)):
        console.print(line)
    if status.worst:
        console.print()
        for line in _worst(status.worst):
            console.print(line)
    if status.inconclusive:
        console.print()
        for model in status.inconclusive[:MAX_LINES]:
            console.print(_inconclusive(model))
    console.print()
    shown = _shown(status.scopes, all_scopes=all_scopes)
    console.print(_scopes_table([*shown, *status.retired] if all_scopes else shown))
    if len(shown) < len(status.scopes):
        hidden = format_count(len(status.scopes) - len(shown), "more scope")
        console.print(f"and {hidden}: `--all` shows them.")
    if status.unread:
        names = ", ".join(f"{each['account_id']}/{each['region']}" for each in status.unread)
        console.print(f"No longer read, and retired a week after the last time: {names}")
    max_lines = len(shown) if all_scopes else MAX_LINES
    failures = (
        (scope["account_id"], scope["region"], scope["last_error"])
        for scope in shown
        if scope["last_error"]
    )
    for line in failure_lines(failures, max_lines):
        console.print(line)
    for scope in [scope for scope in shown if scope["quarantined"]][:max_lines]:
        message = quarantine_message(scope["quarantined"], scope["quarantine_reason"])
        console.print(f"{scope['account_id']}/{scope['region']}: {message}")


def _fresh(status: "Status") -> str:
    if status.newest_age is None:
        return "Fresh?  No run has read a whole scope yet."
    newest = f"Fresh?  Last successful run {format_duration(status.newest_age)} ago"
    if len(status.scopes) == 1:
        return f"{newest}."
    never = len(status.never_read)
    rest = f"; {format_count(never, 'scope')} never succeeded" if never else ""
    return f"{newest}, {format_duration(status.oldest_age)} ago for the stalest scope{rest}."


def _whole(status: "Status") -> str:
    scopes = format_count(len(status.scopes), "scope")
    foreign = sum(scope["quarantined"] for scope in status.quarantined)
    rest = f" {format_count(foreign, 'foreign row')} quarantined." if foreign else ""
    if not status.failed and status.never_read:
        never = format_count(len(status.never_read), "scope")
        return f"Whole?  No: of {never} only ranges were read.{rest}"
    if not status.failed:
        return f"Whole?  Yes: the last run of {scopes} succeeded.{rest}"
    return f"Whole?  No: the last run of {len(status.failed):,} of {scopes} failed.{rest}"


def _exact(status: "Status") -> str:
    """How soon the scrub has read all rows again, and what it healed."""
    runs, seconds = status.worst_of("scrub_runs"), status.worst_of("scrub_seconds")
    if runs is None:
        return "Exact?  Nothing is read again (`scrub_calls` is 0): `verify` tells."
    by = f", {format_duration(seconds)}" if seconds else ""
    again = f"Exact?  Every row is read again within {format_count(int(runs), 'run')}{by}"
    healed = sum(scope["rows_healed"] for scope in status.scopes)
    late = sum(scope["rows_late"] for scope in status.scopes)
    if not healed:
        return f"{again}; none had to be healed in a week."
    rows = f"{again}; {format_count(healed, 'row')} healed in a week"
    if not late:
        return f"{rows}."
    after = format_duration(status.worst_of("late_seconds"))
    return (
        f"{rows}, {late:,} of them listed late: up to {after} after submission. Try a longer --lag."
    )


def _stuck(status: "Status") -> str:
    counts = status.counts
    if status.modelled_at is None:
        return f"Stuck?  {counts['open']:,} open; unknown until the models are built with `models`."
    unknown = f", {counts['unknown']:,} unknown" if counts["unknown"] else ""
    vanished = f", {counts['vanished']:,} vanished" if counts["vanished"] else ""
    behind = " (the models are older than the last run)" if status.are_models_behind else ""
    return f"Stuck?  {counts['open']:,} open, {counts['stuck']:,} stuck{unknown}{vanished}{behind}."


def _failing(status: "Status") -> Iterator[str]:
    """Incidents that have not ended."""
    if status.incidents is None:
        yield "Failing?  Unknown until the models are built with `models`."
        return
    number = len(status.incidents)
    yield f"Failing?  {format_count(number, 'open incident') if number else 'No open incident'}."
    for each in status.incidents[:MAX_LINES]:
        yield f"  {each['model_id']}: {incident_message(each)}"


def _inconclusive(model: "Row") -> str:
    """Why no open invocation of a model is known to be stuck, or that nothing of it ends."""
    verdict = "Nothing ends of" if model["is_stalled"] else "Unknown what is stuck of"
    facts = [f"{model['open_invocations']:,} open"]
    if model["is_stalled"]:
        facts.append("none has ended in 24 h")
    if model["stuck_unknown"]:
        facts.append("fewer than 30 completed in 30 d")
    return f"{verdict} {model['model_id'] or 'unknown'}: {', '.join(facts)}."


def _worst(worst: "Sequence[Row]") -> Iterator[str]:
    """Two or three lines for each, since ARNs and URIs are long."""
    for row in worst:
        typical = format_duration(row["typical_p99"])
        usual = f", 99 % finish within {typical}" if row["typical_p99"] else ""
        state = "vanished" if row["is_vanished"] else "stuck" if row["is_stuck"] else "open"
        yield f"{state} for {format_duration(row['age_seconds'])}{usual}: {row['model_id']}"
        yield f"  {row['invocation_arn']}"
        if row["output_s3_uri"]:
            yield f"  {row['output_s3_uri']}"


def _shown(scopes: "Sequence[Row]", *, all_scopes: bool) -> "list[Row]":
    """Failed scopes first; if not all are shown, the stalest of the others."""
    if all_scopes or len(scopes) <= MAX_ROWS:
        return sorted(scopes, key=lambda scope: scope["last_outcome"] == "ok")
    return sorted(
        scopes,
        key=lambda scope: (
            scope["last_outcome"] == "ok",
            -(scope["last_success_age_seconds"] or float("inf")),
        ),
    )[:MAX_ROWS]


def _scopes_table(scopes: "Sequence[Row]") -> "Table":
    table = plain_table("account", "region", "last run")
    table.add_column("last success", justify="right")
    table.add_column("submitted through (UTC)")
    table.add_column("open", justify="right")
    for scope in scopes:
        age = scope["last_success_age_seconds"]
        table.add_row(
            scope["account_id"],
            scope["region"],
            "retired" if scope["is_retired"] else scope["last_outcome"] or "range",
            "never" if age is None else f"{format_duration(age, units=1)} ago",
            format_time(scope["submitted_through"]),
            f"{scope['open_invocations']:,}",
        )
    return table
