"""`verify`: the listing against the copy, row by row; a repair of what differs."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bedrock_async_etl.commands.options import Copy, JsonOption, Load, existing_copy
from bedrock_async_etl.commands.run import log_failures, log_unread, print_result
from bedrock_async_etl.console import MAX_ROWS, output_console, plain_table, print_json
from bedrock_async_etl.formatting import MAX_LINES, format_count, format_time

if TYPE_CHECKING:
    from bedrock_async_etl.load.verification import Verification

EXAMPLES: Final = """\
# Is the copy exact?
bedrock-async-etl verify

# Of the last two days, and load what is missing or differs
bedrock-async-etl verify --since 2d --repair
"""
NUMBERS: Final = {
    "listed": "listed",
    "equal": "equal",
    "missing": "missing",
    "different": "different",
    "due": "due",
    "only here": "gone",
    "expired": "expired",
}
"""Headings of the table, and what they count."""
RARE: Final = ("due", "only here", "expired")
"""Columns that are left out where they are all 0."""


def command(
    copy: Copy,
    load: Load,
    repair_found: Annotated[
        bool, typer.Option("--repair", help="Load what is missing or different, as a run would.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Compare the copy with all that is listed, row by row.

    What the next run loads is `due`. Exit codes: 0 equal or repaired, 2 something is missing or
    different, 3 some scopes could not be read.
    """
    from bedrock_async_etl.load.verification import repair, verify
    from bedrock_async_etl.progress import load_progress

    target = existing_copy(copy)
    with load_progress() as observer:
        found = verify(target, load, observer=observer)
    log_unread(found.failed)
    if not as_json:
        print_verification(found)
    if found.drift and not repair_found and not as_json:
        output_console().print("Next: load what is missing or different with `verify --repair`.")
    if found.drift and repair_found:
        with load_progress() as observer:
            repaired = repair(target, found, load, observer=observer)
        found = replace(found, repaired=sum(scope.rows_healed for scope in repaired.scopes))
        log_failures(repaired)
        if not as_json:
            print_result(repaired)
            console = output_console()
            console.print(f"Repaired {found.repaired:,} of {format_count(found.drift, 'row')}.")
    if as_json:
        print_json(found.as_json())
    return found.exit_code


def print_verification(found: "Verification") -> None:
    """Print a row for each scope that is not equal, rows that are not, and the verdict."""
    console = output_console()
    numbers = {
        heading: name
        for heading, name in NUMBERS.items()
        if heading not in RARE or found.total(name)
    }
    uneven = sorted(found.scopes, key=lambda scope: scope.missing + scope.different, reverse=True)
    rows = [
        [scope.account_id, scope.region, scope.outcome]
        + [getattr(scope, name) for name in numbers.values()]
        for scope in uneven[:MAX_ROWS]
    ]
    console.print(plain_table(["account", "region", "outcome", *numbers], rows, numbers=numbers))
    if len(uneven) > MAX_ROWS:
        console.print(f"and {format_count(len(uneven) - MAX_ROWS, 'more scope')}")
    for row in found.differences[:MAX_LINES]:
        columns = f": {', '.join(row.columns)}" if row.columns else ""
        submitted = format_time(row.submit_time)
        console.print(
            f"{row.state}, submitted {submitted}{columns}", f"  {row.invocation_arn}", sep="\n"
        )
    if found.drift > MAX_LINES:
        console.print(f"and {format_count(found.drift - MAX_LINES, 'more row')}: see --json")
    console.print(verdict(found))


def verdict(found: "Verification") -> str:
    """The result in one line."""
    listed, equal, due = (found.total(name) for name in ("listed", "equal", "due"))
    rest = f", {due:,} due in the next run" if due else ""
    end = "NOT an exact copy" if found.drift else "an exact copy"
    if found.failed:
        compared, scopes = len(found.scopes) - len(found.failed), len(found.scopes)
        end += f" of {compared:,} of {format_count(scopes, 'scope')}"
    return f"{listed:,} listed, {found.stored:,} in the table, {equal:,} equal{rest}: {end}."
