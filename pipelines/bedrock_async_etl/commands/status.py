"""`status`: five answers, the invocations that are stuck, and the scopes."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bedrock_async_etl.commands.options import Copy, JsonOption, existing_copy
from bedrock_async_etl.configuration import setting
from bedrock_async_etl.console import MAX_ROWS, output_console, plain_table, print_json
from bedrock_async_etl.formatting import (
    MAX_LINES,
    failure_lines,
    format_count,
    format_duration,
    format_time,
    incident_message,
    quarantine_message,
)
from bedrock_async_invokes.options import LoadOptions

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bedrock_async_etl.status import Row, Status

EXAMPLES: Final = """\
# Is the copy fresh, whole and exact, what is stuck, and what is failing?
bedrock-async-etl status

# For cron, which mails what is printed: nothing unless an answer is a bad one
bedrock-async-etl status --strict > status.txt || cat status.txt

# Of every scope of a lake, for a machine
bedrock-async-etl status --lake lake --json
"""


def command(
    copy: Copy,
    all_scopes: Annotated[
        bool,
        typer.Option(
            "--all", help="Show every scope, however many there are.", rich_help_panel="Output"
        ),
    ] = False,
    is_strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Exit code 2 if an answer is a bad one.", rich_help_panel="Output"
        ),
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Show if the copy is fresh, whole, exact; what is stuck or fails."""
    from bedrock_async_etl.status import read_status

    target = existing_copy(copy)
    status = read_status(target, datetime.now(UTC), setting(LoadOptions, "scrub_calls"))
    exit_code = 2 if is_strict and not status.is_good else 0
    if as_json:
        print_json(status.as_json() | {"exit_code": exit_code})
    else:
        print_status(status, all_scopes=all_scopes)
    return exit_code


def print_status(status: "Status", *, all_scopes: bool) -> None:
    """Print the status; of many scopes only failed and stalest ones, unless all are asked for."""
    console = output_console()
    _print_answers(console, status)
    for line in _worst(status):
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
        names = ", ".join(map(_name, status.unread))
        console.print(
            f"No longer read, and retired a week after the last time: {names}. Next: name them to "
            "`run` if they should be read."
        )
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
        console.print(f"{_name(scope)}: {message}")


def _print_answers(console: "Console", status: "Status") -> None:
    from rich.text import Text

    answers = (
        ("Fresh", status.is_fresh, True, _fresh(status)),
        ("Whole", status.is_whole, True, _whole(status)),
        ("Exact", status.is_exact, True, _exact(status)),
        ("Stuck", status.is_stuck, False, _stuck(status)),
        ("Failing", status.is_failing, False, _failing(status)),
    )
    for question, answer, good, reason in answers:
        style = "bold yellow" if answer is None else "bold green" if answer == good else "bold red"
        verdict = Text({True: "Yes", False: "No", None: "Unknown"}[answer], style)
        console.print(Text.assemble(f"{question}?  ", verdict, f": {reason}."))
    for each in (status.incidents or ())[:MAX_LINES]:
        console.print(f"  {each['model_id']}: {incident_message(each)}")
    if (others := len(status.incidents or ()) - MAX_LINES) > 0:
        console.print(f"  and {others:,} more in bedrock_analytics.incidents")


def _fresh(status: "Status") -> str:
    if len(status.never_read) == len(status.scopes):
        facts = "no run has read a whole scope yet"
    elif len(status.scopes) == 1:
        facts = f"the last successful run was {format_duration(status.oldest_age)} ago"
    elif status.is_fresh:
        age = format_duration(status.oldest_age)
        facts = f"all {len(status.scopes):,} scopes were loaded in the last {age}"
    else:
        facts = "; ".join(_not_fresh(status))
    return f"{facts}. Next: {status.remedy}" if status.remedy else facts


def _not_fresh(status: "Status") -> Iterator[str]:
    """The facts about those of several scopes that are not fresh."""
    never, stale, number = status.never_read, status.stale, len(status.scopes)
    if never:
        yield f"{len(never):,} of {number:,} scopes never loaded ({_names(never)})"
    if stale:
        stalest = max(stale, key=lambda scope: scope["last_success_age_seconds"])
        yield (
            f"{len(stale):,} of {number:,} scopes not loaded for more than a day, the stalest, "
            f"{_name(stalest)}, for {format_duration(status.oldest_age)}"
        )


def _name(scope: "Row") -> str:
    return f"{scope['account_id']}/{scope['region']}"


def _names(scopes: "Sequence[Row]") -> str:
    """The first scope's name, and the number of others."""
    more = f" and {len(scopes) - 1:,} more" if len(scopes) > 1 else ""
    return f"{_name(scopes[0])}{more}"


def _whole(status: "Status") -> str:
    if not status.scopes:
        return "no run has read a whole scope yet"
    scopes = format_count(len(status.scopes), "scope")
    foreign = sum(scope["quarantined"] for scope in status.quarantined)
    rest = f"; {format_count(foreign, 'foreign row')} quarantined" if foreign else ""
    if not status.failed and status.never_read:
        never = format_count(len(status.never_read), "scope")
        names = _names(status.never_read)
        return f"only ranges of {never} were read ({names}){rest}. Next: {status.remedy}"
    if not status.failed:
        return f"the last run of {scopes} succeeded{rest}"
    failed = f"{len(status.failed):,} of {scopes} failed ({_names(status.failed)})"
    return f"the last run of {failed}{rest}. Next: fix the errors below, and `run`"


def _exact(status: "Status") -> str:
    """Time until the scrub has reread all rows, and the rows it healed."""
    runs, seconds = status.worst_of("scrub_runs"), status.worst_of("scrub_seconds")
    if runs is None:
        return "nothing is read again (`scrub_calls` is 0); use `verify` to check"
    by = f", {format_duration(seconds)}" if seconds else ""
    again = f"every row is read again within {format_count(int(runs), 'run')}{by}"
    if not status.rows_healed:
        return f"{again}; none had to be healed in a week"
    healed = f"{format_count(status.rows_healed, 'row')} had to be healed in a week"
    most = max(status.scopes, key=lambda scope: scope["rows_healed"])
    healed += f", most in {_name(most)} ({most['rows_healed']:,})"
    late = sum(scope["rows_late"] for scope in status.scopes)
    if not late:
        return f"{healed}; {again}. Next: compare all rows with `verify`"
    after = format_duration(status.worst_of("late_seconds"))
    healed += f"; {late:,} of them listed late, up to {after} after submission"
    return f"{healed}; {again}. Next: try a longer --lag"


def _stuck(status: "Status") -> str:
    counts = status.counts
    if counts["stuck"] is None:
        return f"{counts['open']:,} open; build the models with `models`"
    unknown = f", {counts['unknown']:,} unknown" if counts["unknown"] else ""
    stalled = sum(model["is_stalled"] for model in status.inconclusive)
    ends = f"; of {format_count(stalled, 'model')} no invocation ends" if stalled else ""
    vanished = f", {counts['vanished']:,} vanished" if counts["vanished"] else ""
    behind = _behind(status)
    return f"{counts['open']:,} open, {counts['stuck']:,} stuck{unknown}{vanished}{ends}{behind}"


def _failing(status: "Status") -> str:
    if status.incidents is None:
        return "build the models with `models`"
    number = len(status.incidents)
    incidents = format_count(number, "open incident") if number else "no open incident"
    remedy = ". Next: see with `report` what failed" if number else ""
    return f"{incidents}{_behind(status)}{remedy}"


def _behind(status: "Status") -> str:
    if not status.are_models_behind:
        return ""
    return " (the models are older than the last run: rebuild them with `models`)"


def _inconclusive(model: "Row") -> str:
    """A model whose stuck invocations are unknown, or of which nothing ends, and the reason."""
    verdict = "Nothing ends of" if model["is_stalled"] else "Unknown what is stuck of"
    facts = [f"{model['open_invocations']:,} open"]
    if model["is_stalled"]:
        facts.append("none has ended in 24 h")
    if model["stuck_unknown"]:
        facts.append("fewer than 30 completed in 30 d")
    remedy = " Next: see https://health.aws.amazon.com." if model["is_stalled"] else ""
    return f"{verdict} {model['model_id'] or 'unknown'}: {', '.join(facts)}.{remedy}"


def _worst(status: "Status") -> Iterator[str]:
    """Two or three lines for each, since ARNs and URIs are long."""
    if not status.worst:
        return
    number = f"{len(status.worst)} of {status.worst_number:,}"
    yield f"\nLongest open for their model ({number}):"
    for row in status.worst:
        typical = format_duration(row["typical_p99"])
        usual = f", 99 % finish within {typical}" if row["typical_p99"] else ""
        age, since = format_duration(row["age_seconds"]), format_time(row["submit_time"])
        if row["is_vanished"]:
            state = f"vanished {age} after its submission at {since} UTC"
        else:
            state = f"{'stuck' if row['is_stuck'] else 'open'} for {age}, since {since} UTC"
        yield f"{state}{usual}: {row['model_id']}"
        yield f"  {row['invocation_arn']}"
        if row["output_s3_uri"]:
            yield f"  {row['output_s3_uri']}"
    if others := status.worst_number - len(status.worst):
        yield f"and {others:,} more in bedrock_analytics.open_invocations"
    if status.counts["stuck"]:
        yield "Next: submit what is stuck again, since no call cancels it, and ask AWS Support."


def _shown(scopes: "Sequence[Row]", *, all_scopes: bool) -> "list[Row]":
    """Failed scopes first; if not all are shown, the stalest of the others."""
    has_room = all_scopes or len(scopes) <= MAX_ROWS
    if not has_room:
        scopes = sorted(scopes, key=_age, reverse=True)
    shown = sorted(scopes, key=lambda scope: scope["last_outcome"] == "ok")
    return shown if has_room else shown[:MAX_ROWS]


def _age(scope: "Row") -> float:
    age: float | None = scope["last_success_age_seconds"]
    return float("inf") if age is None else age


def _scopes_table(scopes: "Sequence[Row]") -> "Table":
    headings = "account", "region", "last run", "last success", "submitted through (UTC)", "open"
    rows = [
        (
            scope["account_id"],
            scope["region"],
            "retired" if scope["is_retired"] else scope["last_outcome"] or "range",
            "never" if age is None else f"{format_duration(age, units=1)} ago",
            format_time(scope["submitted_through"]),
            scope["open_invocations"],
        )
        for scope in scopes
        for age in [scope["last_success_age_seconds"]]
    ]
    return plain_table(headings, rows, numbers=("last success", "open"))
