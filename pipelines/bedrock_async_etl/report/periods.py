"""The periods of a report, each beside the one before it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bedrock_async_etl.errors import UsageError

DAY_MS: Final = 86_400_000
USUAL_DAYS: Final = (1, 7, 30, 90)
"""The choices in the page that are shorter than all that it has."""
MAX_DAYS: Final = 3_660
END_OF_TIME: Final = 2**62
"""The newest period has no end, as in `model_summary`: a scope may be read after the others."""


@dataclass(frozen=True)
class Period:
    """A period of `days` times 24 hours, in milliseconds since 1970."""

    cohort: int
    """Its number, which is odd for the one before a period."""
    days: int
    from_ms: int
    until_ms: int
    is_previous: bool


def parse_period(text: str) -> int:
    """Days, from a text such as `30d` or `4w`; raises `UsageError`."""
    match = re.fullmatch(r"([0-9]{1,9})([dw])", text.strip())
    if match is None:
        raise UsageError(f"--period {text!r} is not a period. It looks like 30d or 12w.")
    days = int(match[1]) * (7 if match[2] == "w" else 1)
    if not 1 <= days <= MAX_DAYS:
        raise UsageError(f"--period must be 1d to {MAX_DAYS}d, not {text}.")
    return days


def periods(days: int, as_of_ms: int) -> Sequence[Period]:
    """The periods of a page of `days` days, the shortest first, each with the one before it."""
    lengths = [*(usual for usual in USUAL_DAYS if usual < days), days]
    found = []
    for index, length in enumerate(lengths):
        begin = as_of_ms - length * DAY_MS
        before = begin - length * DAY_MS
        found.append(Period(2 * index, length, begin, END_OF_TIME, is_previous=False))
        found.append(Period(2 * index + 1, length, before, begin, is_previous=True))
    return found
