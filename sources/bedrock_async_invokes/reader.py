"""Which windows of one scope are read next, and in which order they are given out."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from .chain import Reading
from .records import submit_edges
from .settings import PAGE_SIZE, PIECE_PAGES, SMALLEST_PIECE_PAGES
from .windows import Plan, Window, next_piece

LONGEST_STRETCH = 8
"""How much thinner the listing may count as after one piece, so that a gap misleads nobody."""


@dataclass(eq=False)
class Piece:
    """A window to read, and what came of it."""

    window: Window
    max_pages: int = PIECE_PAGES // 2
    """Where it has more, the rest comes back as unread, and is cut anew."""
    newest_first: bool = False
    rows_per_us: float | None = None
    """The density to cut it by when its turn comes; None where it is read as it is."""
    is_started: bool = False
    outcome: Reading | Exception | None = None
    bytes_held: int = 0

    @property
    def is_under_way(self) -> bool:
        return self.is_started and self.outcome is None


class ScopeReader:
    """One run's windows of one scope; it makes no call itself.

    Only the newest page is asked for at first: usually it is all there is to read. It also fixes
    the upper bound of the run, from the data. Where more lies before it, that is read in pieces as
    long as their density asks for.
    """

    def __init__(self, plan: Plan, concurrency: int) -> None:
        self.share_read = 0.0
        """How much of the time between the oldest and the newest row was given out, 0..1."""
        self._concurrency = concurrency
        self._line = deque(Piece(window) for window in plan.refresh)
        self._newest = (
            None if plan.forward.is_empty else Piece(plan.forward, max_pages=1, newest_first=True)
        )
        self._unread: Window | None = None
        """What lies before the newest page."""
        self._oldest: int | None = None
        self._is_thin = False
        """Where there is next to nothing, one piece at a time is read until more comes."""

    @property
    def bytes_held(self) -> int:
        """Size of what was read and has not been given out."""
        return sum(piece.bytes_held for piece in self._in_order())

    @property
    def under_way(self) -> int:
        """How many pieces are being read."""
        return sum(piece.is_under_way for piece in self._in_order())

    @property
    def is_ready(self) -> bool:
        """Whether `give` has an answer."""
        following = next(self._in_order(), None)
        return following is None or following.outcome is not None

    def pick(self, *, has_room: bool) -> Piece | None:
        """The piece to read now, which counts as under way from then on.

        Without room it is what is given out next or nothing; behind a failure it is nothing.
        """
        if self._newest and not self._newest.is_started:
            return _started(self._newest)
        for position, piece in enumerate(self._line):
            if isinstance(piece.outcome, Exception) or (position and not has_room):
                return None
            if not piece.is_started:
                return self._pick(position)
        return None

    def take(self, piece: Piece, outcome: Reading | Exception) -> None:
        """Take in what came of a piece that was picked."""
        piece.outcome = outcome
        if isinstance(outcome, Exception):
            return
        piece.bytes_held = outcome.table.nbytes
        if piece is self._newest:
            if outcome.unread:
                # Its first page tells how dense it is, and on a first load where it starts.
                self._unread = outcome.unread
                self._line.append(Piece(outcome.unread, max_pages=1))
            return
        density = _density(outcome, piece.rows_per_us)
        if outcome.unread:
            rest = Piece(outcome.unread, rows_per_us=density)
            self._line.insert(self._line.index(piece) + 1, rest)
            self._is_thin = False
        elif piece.rows_per_us is not None:
            self._is_thin = density == piece.rows_per_us / LONGEST_STRETCH
            for waiting in self._line:
                if waiting.rows_per_us is not None and not waiting.is_started:
                    waiting.rows_per_us = density

    def give(self) -> Reading | None:
        """The next window that was read whole, ascending, or None at the end.

        Raises what it failed with; what follows is not given out.
        """
        if (following := next(self._in_order(), None)) is None:
            return None
        assert following.outcome is not None
        if isinstance(following.outcome, Exception):
            raise following.outcome
        if self._line:
            self._line.popleft()
            self._measure(following.outcome)
        else:
            self._newest = None
        return following.outcome

    def _in_order(self) -> Iterator[Piece]:
        yield from self._line
        if self._newest:
            yield self._newest

    def _pick(self, position: int) -> Piece | None:
        """Start a piece; a long window is cut only now, by what is known of its density."""
        piece = self._line[position]
        if piece.rows_per_us is None:
            return _started(piece)
        if self._is_thin and self.under_way:
            return None
        rows = self._piece_rows(piece.window, piece.rows_per_us)
        piece.window, rest = next_piece(piece.window, piece.rows_per_us, rows)
        if rest:
            self._line.insert(position + 1, Piece(rest, rows_per_us=piece.rows_per_us))
        return _started(piece)

    def _piece_rows(self, window: Window, rows_per_us: float) -> int:
        assert window.start is not None
        assert window.end is not None
        expected = (window.end - window.start) * rows_per_us
        pages = expected / PAGE_SIZE / self._concurrency
        return int(PAGE_SIZE * min(PIECE_PAGES, max(SMALLEST_PIECE_PAGES, pages)))

    def _measure(self, reading: Reading) -> None:
        if self._unread is None:
            return
        if self._oldest is None:
            oldest, _ = submit_edges(reading.table)
            self._oldest = oldest if self._unread.start is None else self._unread.start
        if self._oldest is not None and reading.window.end and self._unread.end:
            span = max(1, self._unread.end - self._oldest)
            self.share_read = max(0.0, (reading.window.end - self._oldest) / span)


def _started(piece: Piece) -> Piece:
    piece.is_started = True
    return piece


def _density(reading: Reading, before: float | None = None) -> float:
    """Rows per microsecond of submitTime; after an empty stretch, a fraction of what it was."""
    oldest, newest = submit_edges(reading.table)
    start = oldest if reading.window.start is None else reading.window.start
    end = newest if reading.window.end is None else reading.window.end
    span = 1 if start is None or end is None else max(1, end - start)
    rows = reading.table.num_rows or 1
    return max(rows / span, (before or 0.0) / LONGEST_STRETCH)
