"""The periods of a report, each beside the one before it, and the bins that they are made of."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bedrock_async_etl.errors import UsageError

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
USUAL_DAYS: Final = (1, 7, 30, 90)
"""The choices in the page that are shorter than all that it has."""
MAX_DAYS: Final = 3_660


@dataclass(frozen=True)
class Period:
    """A period of `days` times 24 hours, in milliseconds since 1970.

    It has no end, as in `model_summary`: a scope may be read after the others.
    """

    days: int
    from_ms: int

    @property
    def before_ms(self) -> int:
        """Start of the period before, which ends as this one begins."""
        return self.from_ms - self.days * DAY_MS

    @property
    def first_bin(self) -> int:
        """The number of the bin that the period begins with."""
        return 2 * (self.from_ms // HOUR_MS) + 1


@dataclass(frozen=True)
class HourPart:
    """An hour up to, or from, the minute at which periods begin.

    Bins have numbers: twice the hours since 1970 at their start, and one more for a bin that starts
    where a period does.
    """

    hour_part: int
    """Twice the hours since 1970, and one more for its later part."""
    counted: int
    """The bin of counts that it belongs to: an hour, whatever the period."""
    timed: int
    """The bin of latencies that it belongs to: as long as the steps of the charts."""


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
    """The periods of a page of `days` days, the shortest first."""
    lengths = [*(usual for usual in USUAL_DAYS if usual < days), days]
    return [Period(length, as_of_ms - length * DAY_MS) for length in lengths]


def hour_parts(chosen: Sequence[Period], as_of_ms: int, step_days: int) -> Iterator[HourPart]:
    """Every part of an hour since the first of the periods before began.

    No bin is in a period by half. Of the last day, the bins of latencies are hours, of the last
    week 6 hours, and before that `step_days` days. What only the periods before have is one bin.
    """
    longest = chosen[-1]
    begins = sorted({begin for each in chosen for begin in (each.from_ms, each.before_ms)})
    minute_ms = as_of_ms % HOUR_MS

    def bin_of(start_ms: int, step_ms: int) -> int:
        begin = begins[bisect_right(begins, start_ms) - 1]
        is_before = start_ms < longest.from_ms
        start = begin if is_before else max(begin, start_ms - start_ms % step_ms)
        return 2 * (start // HOUR_MS) + (start == begin)

    for hour in range(longest.before_ms // HOUR_MS, as_of_ms // HOUR_MS + 1):
        for is_later in (0, 1):
            start_ms = hour * HOUR_MS + is_later * minute_ms
            if start_ms < longest.before_ms:
                continue
            days_ago = (as_of_ms - start_ms) / DAY_MS
            step_ms = (
                HOUR_MS if days_ago <= 1 else 6 * HOUR_MS if days_ago <= 7 else step_days * DAY_MS
            )
            yield HourPart(
                2 * hour + is_later, bin_of(start_ms, HOUR_MS), bin_of(start_ms, step_ms)
            )
