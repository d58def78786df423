"""Which rows a list request shows: what is visible, what matches, what is on the page."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from .faults import Faults
from .injector import visibility_delay
from .invocations import Invocations
from .summaries import status_at

Position = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The parameters of ListAsyncInvokes but the token; times in microseconds."""

    after: int | None = None
    before: int | None = None
    status: str | None = None
    ascending: bool = False
    max_results: int = 100


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page in order, and whether more follow."""

    rows: Sequence[int]
    more: bool


@dataclass(frozen=True, slots=True)
class View:
    """A scope's invocations as they show at an instant, under the scope's faults."""

    invocations: Invocations
    now: int
    faults: Faults

    def page(self, query: Query, position: Position | None, length: int) -> Page:
        """The matching rows that follow a position, at most so many."""
        span = self._span(query, position)
        rows = span if query.ascending else span[::-1]
        late = self.faults.late_visibility_seconds
        if not late and query.status is None:
            return Page(rows[:length], len(rows) > length)
        # One more than asked tells whether any follows.
        found = list(islice(self._matching(rows, query.status), length + 1))
        return Page(found[:length], len(found) > length)

    def _span(self, query: Query, position: Position | None) -> range:
        rows = self.invocations
        first, last = self._visible_span()
        if query.after is not None:
            first = max(first, self._bound(query.after, beyond=not self.faults.after_inclusive))
        if query.before is not None:
            last = min(last, self._bound(query.before, beyond=self.faults.before_inclusive))
        if position is not None and query.ascending:
            first = max(first, rows.first_after(*position))
        elif position is not None:
            last = min(last, rows.first_at_or_after(*position))
        return range(first, max(first, last))

    def _visible_span(self) -> tuple[int, int]:
        submits, retention = self.invocations.submit, self.faults.retention_seconds
        oldest = self.now - round(retention * 1_000)
        first = bisect_left(submits, oldest) if retention else 0
        return first, bisect_right(submits, self.now)

    def _bound(self, microsecond: int, *, beyond: bool) -> int:
        """The first row at a time or later; with ``beyond`` the first that is later."""
        submits = self.invocations.submit
        if beyond:
            return bisect_right(submits, microsecond // 1_000)
        return bisect_left(submits, -(-microsecond // 1_000))

    def _matching(self, rows: range, status: str | None) -> Iterator[int]:
        return (
            row
            for row in rows
            if (status is None or status_at(self.invocations, row, self.now) == status)
            and self.shows(row)
        )

    def shows(self, row: int) -> bool:
        """Whether late visibility hides a row no more."""
        late = self.faults.late_visibility_seconds
        age = self.now - self.invocations.submit[row]
        return age >= late * 1_000 or age >= visibility_delay(self.invocations.id_at(row), late)
