"""Read the windows of one scope ahead, concurrently, and give them out in order."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from .chain import Reading
from .listing import Listing
from .records import submit_edges
from .settings import PAGE_SIZE, PIECE_PAGES
from .windows import Plan, Window, next_piece

SMALLEST_PIECE_PAGES = 4
"""Each piece ends in a page that is half empty on average, so smaller ones would waste calls."""

LONGEST_STRETCH = 8
"""How much thinner the listing may count as after one piece, so that a gap misleads nobody."""


@dataclass
class _Piece:
    """A window in line: cut and submitted when its turn nears."""

    window: Window
    max_pages: int = 2 * PIECE_PAGES
    """What is held in memory at most; the rest comes back as unread."""
    rows_per_us: float | None = None
    """The density to cut it by; None where it is read as it is."""
    future: Future[Reading] | None = None


class ScopeReader:
    """One run's windows of one scope.

    Only the newest page is asked for at first: usually it is all there is to read. It also fixes
    the upper bound of the run, from the data. Where more lies before it, that is read in pieces as
    long as their density asks for.
    """

    def __init__(self, listing: Listing, plan: Plan, pool: Executor, ahead: int) -> None:
        self._listing = listing
        self._pool = pool
        self._ahead = ahead
        self._reach = ahead
        """How far to read ahead: in a thin stretch, not at all, until it is known how thin."""
        self.share_read = 0.0
        """How much of the time between the oldest and the newest row has been read, 0..1."""
        self._oldest: int | None = None
        self._line = deque(_Piece(window) for window in plan.refresh)
        self._fill()
        self._newest = (
            None
            if plan.forward.is_empty
            else pool.submit(listing.read, plan.forward, newest_first=True, max_pages=1)
        )

    def readings(self) -> Iterator[Reading]:
        """Windows read whole, ascending; what follows a failed one is not given out."""
        yield from self._in_order()
        if self._newest is None:
            return
        newest = self._newest.result()
        if newest.unread:
            # Its first page tells how dense it is, and on a first load where it starts.
            self._line.append(_Piece(newest.unread, max_pages=1))
            for reading in self._in_order():
                self._measure(reading, newest.unread)
                yield reading
        yield newest

    def _measure(self, reading: Reading, whole: Window) -> None:
        if self._oldest is None:
            oldest, _ = submit_edges(reading.table)
            self._oldest = oldest if whole.start is None else whole.start
        if self._oldest is not None and reading.window.end and whole.end:
            span = max(1, whole.end - self._oldest)
            self.share_read = (reading.window.end - self._oldest) / span

    def _in_order(self) -> Iterator[Reading]:
        while self._line:
            self._fill()
            piece = self._line.popleft()
            assert piece.future is not None
            reading = piece.future.result()
            self._learn(piece, reading)
            yield reading

    def _learn(self, piece: _Piece, reading: Reading) -> None:
        density = _density(reading, piece.rows_per_us)
        self._reach = self._ahead
        if reading.unread:
            self._line.appendleft(_Piece(reading.unread, rows_per_us=density))
        elif piece.rows_per_us is not None:
            waiting = (each for each in self._line if each.future is None)
            if (following := next(waiting, None)) is not None:
                following.rows_per_us = density
            if reading.table.num_rows < PAGE_SIZE:
                self._reach = 1

    def _fill(self) -> None:
        """Submit what is next in line, cutting long windows, until enough is under way."""
        position = 0
        while position < min(self._reach, len(self._line)):
            if self._line[position].future is None:
                self._submit(position)
            position += 1

    def _submit(self, position: int) -> None:
        piece = self._line[position]
        if piece.rows_per_us is not None:
            piece.window, rest = next_piece(
                piece.window, piece.rows_per_us, self._piece_rows(piece.window, piece.rows_per_us)
            )
            if rest:
                self._line.insert(position + 1, _Piece(rest, rows_per_us=piece.rows_per_us))
        piece.future = self._pool.submit(
            self._listing.read, piece.window, max_pages=piece.max_pages
        )

    def _piece_rows(self, window: Window, rows_per_us: float) -> int:
        assert window.start is not None
        assert window.end is not None
        expected = (window.end - window.start) * rows_per_us
        pages = expected / PAGE_SIZE / self._ahead
        return int(PAGE_SIZE * min(PIECE_PAGES, max(SMALLEST_PIECE_PAGES, pages)))


def _density(reading: Reading, before: float | None = None) -> float:
    """Rows per microsecond of submitTime; after an empty stretch, a fraction of what it was."""
    oldest, newest = submit_edges(reading.table)
    start = oldest if reading.window.start is None else reading.window.start
    end = newest if reading.window.end is None else reading.window.end
    span = 1 if start is None or end is None else max(1, end - start)
    rows = reading.table.num_rows or 1
    return max(rows / span, (before or 0.0) / LONGEST_STRETCH)
