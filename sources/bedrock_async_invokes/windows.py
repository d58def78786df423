"""Pure planning: from the progress of a scope to the windows to read next."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

PAGE_SIZE: Final = 1_000
"""The largest `maxResults` of ListAsyncInvokes."""

UNRANKED: Final = -1
"""Rank of an invocation that was found out of order: its distance to others is unknown."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_US: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
LATEST_US: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def to_time(microseconds: int) -> datetime:
    """The UTC time of microseconds since the epoch."""
    return EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(time: datetime) -> int:
    """Microseconds since the epoch; a time without a zone counts as UTC.

    A zone may put a time into the year 0 or 10000 of UTC: the first or last time stands for it.
    """
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return min(max((aware - EPOCH) // timedelta(microseconds=1), EARLIEST_US), LATEST_US)


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open `[start, end)` in submitTime, microseconds since the epoch; None is unbounded."""

    start: int | None = None
    end: int | None = None

    def __contains__(self, submit_us: int) -> bool:
        return (self.start is None or self.start <= submit_us) and (
            self.end is None or submit_us < self.end
        )

    @property
    def is_empty(self) -> bool:
        return self.start is not None and self.end is not None and self.start >= self.end

    def before(self, end: int | None) -> "Window":
        """The part before a time."""
        if end is None or (self.end is not None and self.end <= end):
            return self
        return Window(self.start, end)


class OpenInvocation(NamedTuple):
    """An invocation that was still running when it was last read."""

    submit_us: int
    rank: int
    """Rows read before it was first seen: the difference of two ranks is the rows between them."""
    digest: str
    missing_since_us: int = 0
    """The service's time at which it was listed no more; 0 while it is listed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The windows of one run of one scope: `refresh` ascending, `forward`, then `scrub`.

    Those of `refresh` and `forward` are disjoint.
    """

    refresh: tuple[Window, ...]
    forward: Window
    settled_before: int | None
    """Rows of `forward` submitted before this count only if they are open: the rest is known."""
    scrub: tuple[Window, ...] = ()
    """History that is compared with the destination."""
    scrub_pages: int | None = None
    """Pages of it that are read; None reads all of it."""

    def is_forward(self, window: Window) -> bool:
        """True if the window is a part of `forward`."""
        start = self.forward.start
        return start is None or (window.start is not None and window.start >= start)


def plan_increment(
    submitted_through: int | None,
    rows: int,
    still_open: Iterable[OpenInvocation],
    lag_us: int,
    end: int | None = None,
) -> Plan:
    """The windows that bring a scope up to date after `rows` rows read so far.

    Open invocations join their younger neighbour, or the forward window, where at most half a page
    of rows lies between: two of them then cost one call.
    """
    if submitted_through is None:
        return Plan((), Window(None, end), None)
    settled_before = submitted_through - lag_us
    if end is not None:
        settled_before = min(settled_before, end)
        still_open = (each for each in still_open if each.submit_us < end)
    spans: list[tuple[int, int | None]] = [(settled_before, end)]
    younger_rank = rows
    for submit_us, rank, *_ in sorted(still_open, reverse=True):
        start, stop = spans[-1]
        if submit_us < start:
            if rank != UNRANKED and younger_rank - rank <= PAGE_SIZE // 2:
                spans[-1] = (submit_us, stop)
            else:
                spans.append((submit_us, submit_us + 1))
        if rank != UNRANKED:
            younger_rank = min(younger_rank, rank)
    forward, *refresh = (Window(*span) for span in spans)
    return Plan(tuple(reversed(refresh)), forward, settled_before)


def cut_piece(unread: Window, rows_per_us: float, piece_rows: int) -> tuple[Window, Window | None]:
    """Cut the first piece of about `piece_rows` rows off a bounded window.

    A remainder of less than half a piece is not worth a call of its own and stays with it.
    """
    if unread.start is None or unread.end is None:
        raise ValueError(f"Only a bounded window can be cut into pieces, not {unread}.")
    length_us = max(1, int(piece_rows / rows_per_us))
    if unread.start + length_us * 1.5 >= unread.end:
        return unread, None
    cut = unread.start + length_us
    return Window(unread.start, cut), Window(cut, unread.end)
