"""A chain of pages: the rows of one window as they come in, and where to go on."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from .errors import ListingError
from .records import NO_ROWS, submit_edges, submit_microseconds
from .settings import TIED_BYTES
from .windows import Window


@dataclass(frozen=True)
class Reading:
    """Rows of a window, ascending by submitTime, no ARN twice."""

    window: Window
    """What was read whole."""
    table: pa.Table
    unread: Window | None
    """What is left, where reading stopped at its limit of pages."""


class Chain:
    """The rows of one window as its pages come in."""

    def __init__(self, window: Window, newest_first: bool) -> None:
        self.window = window
        self.newest_first = newest_first
        self.has_token = False
        self.pages = 0
        self.size = 0
        """In bytes."""
        self.arns: set[str] = set()
        self._tables = [NO_ROWS]
        self._is_sorted = True
        self._first: int | None = None
        self._last: int | None = None

    @property
    def rest(self) -> Window:
        """What is left to read, with the rows that tie with the last one read."""
        if self._last is None or not self._is_sorted:
            return self.window
        if self.newest_first:
            return Window(self.window.start, self._last + 1)
        return Window(self._last, self.window.end)

    @property
    def can_stop(self) -> bool:
        """A chain cannot end between rows that were submitted at the same time, or in disorder."""
        return self._is_sorted and self._first != self._last

    def add(self, table: pa.Table) -> bool:
        """Take in a page's rows, but for those outside of the window or seen before.

        Returns whether any is left. Raises `ListingError` where they are not sorted as asked: what
        is unread could not be told.
        """
        table = self._unseen(_within(table, self.window))
        if table.num_rows:
            self._append(table)
        return bool(table.num_rows)

    def check_ties(self) -> None:
        """Raise `ListingError` where rows that no window can be cut between do not end."""
        if not self.can_stop and self.size > TIED_BYTES:
            raise ListingError(
                f"More than {TIED_BYTES / 1e6:g} MB of invocations have the same submitTime or "
                "none, or are not in its order: such a listing cannot be read in parts."
            )

    def _unseen(self, table: pa.Table) -> pa.Table:
        """Rows that no page before this one had; they are seen from now on."""
        arns = table["invocation_arn"].to_pylist()
        fresh = set(arns) - self.arns
        self.arns |= fresh
        if len(fresh) == len(arns):
            return table
        is_first = []
        for arn in arns:
            is_first.append(arn in fresh)
            fresh.discard(arn)
        return table.filter(pa.array(is_first))

    def _append(self, table: pa.Table) -> None:
        self._check_order(submit_microseconds(table).drop_null())
        edges = submit_edges(table)
        first, last = reversed(edges) if self.newest_first else edges
        if last is not None:
            self._first = first if self._first is None else self._first
            self._last = last
        self._tables.append(table)
        self.pages += 1
        self.size += table.nbytes

    def _check_order(self, submitted: pa.ChunkedArray) -> None:
        if not len(submitted):
            return
        first, last = submitted[0].as_py(), submitted[-1].as_py()
        if first < last if self.newest_first else first > last:
            order = "descending" if self.newest_first else "ascending"
            raise ListingError(f"A page of the listing is not in {order} order of submitTime.")
        start = first if self._last is None else self._last
        steps = pc.min_max(pc.pairwise_diff(submitted.combine_chunks())).as_py()
        if self.newest_first:
            self._is_sorted &= first <= start and (steps["max"] or 0) <= 0
        else:
            self._is_sorted &= first >= start and (steps["min"] or 0) >= 0

    def whole(self) -> Reading:
        """The chain came to its end."""
        return Reading(self.window, self._table(), None)

    def stopped(self) -> Reading:
        """Leave out the rows that tie with the last one, since more of them may follow."""
        unread = self.rest
        done = (
            Window(unread.end, self.window.end)
            if self.newest_first
            else Window(self.window.start, unread.start)
        )
        self._tables = [_within(table, done) for table in self._tables]
        return Reading(done, self._table(), unread)

    def _table(self) -> pa.Table:
        table = pa.concat_tables(self._tables)
        return table.sort_by("submit_time") if self.newest_first else table


def _within(table: pa.Table, window: Window) -> pa.Table:
    """Rows of the window; one without a submitTime is in every window that lists it."""
    if all(edge is None or edge in window for edge in submit_edges(table)):
        return table
    submit = submit_microseconds(table)
    if window.start is not None:
        is_after = pc.fill_null(pc.greater_equal(submit, window.start), True)
        table, submit = table.filter(is_after), submit.filter(is_after)
    if window.end is not None:
        table = table.filter(pc.fill_null(pc.less(submit, window.end), True))
    return table
