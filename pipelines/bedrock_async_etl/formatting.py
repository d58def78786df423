"""Numbers, times and other people's text, as people read them and as SQL does."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final

MINUTE: Final = 60
MAX_LINES: Final = 20
"""Scopes, rows or findings shown on a line each; there may be thousands."""
UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", MINUTE), ("s", 1))


def format_count(number: int, noun: str) -> str:
    """A number of things: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_time(time: datetime | None) -> str:
    """A UTC time to the second; a dash for None."""
    return f"{time:%Y-%m-%d %H:%M:%S}" if time else "-"


def format_duration(seconds: float | None, units: int = 2) -> str:
    """A duration in its largest units, the last rounded: `3 d 4 h`; a dash for None."""
    if seconds is None:
        return "-"
    rest = max(0, round(seconds))
    first = next((at for at, (_, size) in enumerate(UNITS) if rest >= size), len(UNITS))
    _, least = UNITS[min(first + units, len(UNITS)) - 1]
    rest = round(rest / least) * least
    parts = []
    for unit, size in UNITS:
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number:,} {unit}")
    return " ".join(parts) or "0 s"


def format_latency(seconds: float | None) -> str:
    """A duration; less than a minute to the tenth of a second: `9.3 s`."""
    if seconds is None or round(seconds, 1) >= MINUTE:
        return format_duration(seconds)
    return f"{round(seconds, 1):g} s"


def escape_controls(text: str) -> str:
    """The text, with each control character that a terminal would obey written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )


def failure_lines(failures: Iterable[tuple[str, str, str]], limit: int) -> Iterator[str]:
    """A line for each account that failed for one reason, with its regions; at most `limit`.

    A failure is an account, a region and a reason.
    """
    regions: dict[tuple[str, str], list[str]] = {}
    for account, region, reason in failures:
        regions.setdefault((account, reason), []).append(region)
    for (account, reason), found in islice(regions.items(), limit):
        yield f"{account}/{', '.join(sorted(found))} failed: {reason}"
    if rest := sum(len(found) for found in islice(regions.values(), limit, None)):
        yield f"{rest:,} more failed: `status --all` has each."


def quarantine_message(rows: int, reason: str | None) -> str:
    """The sentence about rows that contradict their scope."""
    counted = f"{format_count(rows, 'row')} {'is' if rows == 1 else 'are'}"
    return f"{counted} quarantined as of another account or region: {reason}"


def incident_message(incident: Mapping[str, Any]) -> str:
    """A row of the model `incidents` in one line, without the name of its model."""
    scopes = format_count(incident["scopes"], "scope")
    if place := "/".join(filter(None, (incident["account_id"], incident["region"]))):
        scopes = place if incident["scopes"] == 1 else f"{scopes} of {place}"
    return (
        f"{incident['failed']:,} of {incident['terminal']:,} failed "
        f"since {format_time(incident['started_at'])} UTC in {scopes}, "
        f"{incident['excess_failed']:,.0f} more than usual; "
        f"{incident['failure_category']} grew most, for example {incident['example_arn']}"
    )


def identifier(name: str) -> str:
    """The name of a schema, table or column as SQL has it, in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it, in single quotes."""
    return "'" + text.replace("'", "''") + "'"
