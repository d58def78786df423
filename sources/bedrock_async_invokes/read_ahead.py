"""The order of reading: the windows of each scope, and a pool of threads over all scopes."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol

from .listing import Reading
from .records import submit_edges
from .windows import PAGE_SIZE, Plan, Window, cut_piece

READ_AHEAD_BYTES: Final = 50_000_000
"""Size of waiting readings, over all scopes, at which no more is requested."""
PIECE_PAGES: Final = 8
"""Planned pages of one piece of a long window."""
SMALLEST_PIECE_PAGES: Final = 4
"""Each piece ends in a page that is half empty on average, so smaller ones would waste calls."""
LONGEST_STRETCH: Final = 8
"""Largest factor by which one piece makes the listing count as thinner, in case it is a gap."""


@dataclass(eq=False)
class Piece:
    """A window to read, and its result."""

    window: Window
    max_pages: int = PIECE_PAGES // 2
    """If it has more, the rest comes back as unread, and is cut anew."""
    newest_first: bool = False
    is_scrub: bool = False
    rows_per_us: float | None = None
    """Density by which it is cut when its turn comes; None if it is read as it is."""
    is_started: bool = False
    result: Reading | Exception | None = None
    bytes_held: int = 0

    @property
    def is_under_way(self) -> bool:
        return self.is_started and self.result is None


class WindowQueue:
    """The windows of one run of one scope; makes no call itself.

    The first request is for the newest page alone: usually it is all there is to read. It also
    fixes the upper bound of the run, from the data. If more lies before it, that is read in pieces
    whose length follows from their density.
    """

    def __init__(self, plan: Plan, concurrency: int) -> None:
        self.share_read = 0.0
        """Share of the time between the oldest and the newest row that was handed out, 0..1."""
        self._concurrency = concurrency
        self._pieces = deque(Piece(window) for window in plan.refresh)
        """Those that have not been handed out, ascending, and the scrub's after the newest page."""
        self._newest: Piece | None = None
        if not plan.forward.is_empty:
            self._newest = Piece(plan.forward, max_pages=1, newest_first=True)
            self._pieces.append(self._newest)
        pages = plan.scrub_pages or PIECE_PAGES
        self._pieces += [Piece(window, pages, is_scrub=True) for window in plan.scrub]
        self._is_scrub_limited = plan.scrub_pages is not None
        self._unread: Window | None = None
        """The part before the newest page."""
        self._oldest: int | None = None
        self._is_thin = False
        """Next to nothing was found: one piece at a time is read until there is more."""

    @property
    def bytes_held(self) -> int:
        """Size of the readings that have not been handed out."""
        return sum(piece.bytes_held for piece in self._pieces)

    @property
    def under_way(self) -> int:
        """Number of pieces that are being read."""
        return sum(piece.is_under_way for piece in self._pieces)

    @property
    def is_ready(self) -> bool:
        """True if `next_reading` has an answer."""
        return not self._pieces or self._pieces[0].result is not None

    def next_piece(self, *, has_room: bool) -> Piece | None:
        """The piece to read now, which counts as under way from then on.

        Without room only the piece that is handed out next; behind a failure none.
        """
        if self._newest and not self._newest.is_started:
            return self._start(self._newest)
        for position, piece in enumerate(self._pieces):
            if isinstance(piece.result, Exception) or (position and not has_room):
                return None
            if piece.is_scrub and self._is_scrub_limited and self.under_way:
                return None
            if not piece.is_started:
                return self._start(piece)
        return None

    def give_up_scrub(self) -> None:
        """Read no more of the history that is compared with the destination."""
        self._pieces = deque(each for each in self._pieces if each.is_started or not each.is_scrub)

    def add_result(self, piece: Piece, result: Reading | Exception) -> None:
        """Add the result of a piece that `next_piece` returned."""
        piece.result = result
        if isinstance(result, Exception):
            return
        piece.bytes_held = result.table.nbytes
        if piece is self._newest:
            if result.unread:
                # Its first page shows its density, and on a first load its start.
                self._unread = result.unread
                newest_at = self._pieces.index(piece)
                self._pieces.insert(newest_at, Piece(result.unread, max_pages=1))
            return
        if piece.is_scrub:
            self._add_rest_of_scrub(piece, result)
            return
        density = _density(result, piece.rows_per_us)
        if result.unread:
            self._insert_after(piece, Piece(result.unread, rows_per_us=density))
            self._is_thin = False
        elif piece.rows_per_us is not None:
            self._is_thin = density == piece.rows_per_us / LONGEST_STRETCH
            for waiting in self._pieces:
                if waiting.rows_per_us is not None and not waiting.is_started:
                    waiting.rows_per_us = density

    def next_reading(self) -> Reading | None:
        """The next window that was read whole, ascending, or None at the end.

        Raises the error with which it failed; nothing after it is handed out.
        """
        if not self._pieces:
            return None
        piece = self._pieces[0]
        assert piece.result is not None
        if isinstance(piece.result, Exception):
            raise piece.result
        self._pieces.popleft()
        if piece.is_scrub:
            return replace(piece.result, is_scrub=True)
        if piece is not self._newest:
            self._measure(piece.result)
        return piece.result

    def _start(self, piece: Piece) -> Piece | None:
        """Start a piece; a long window is cut only now, by the newest density."""
        if piece.rows_per_us is not None:
            if self._is_thin and self.under_way:
                return None
            rows = self._piece_rows(piece.window, piece.rows_per_us)
            piece.window, rest = cut_piece(piece.window, piece.rows_per_us, rows)
            if rest:
                self._insert_after(piece, Piece(rest, rows_per_us=piece.rows_per_us))
        piece.is_started = True
        return piece

    def _add_rest_of_scrub(self, piece: Piece, result: Reading) -> None:
        pages_left = piece.max_pages
        if self._is_scrub_limited:
            pages_left -= max(1, -(-result.table.num_rows // PAGE_SIZE))
        if result.unread and pages_left > 0:
            self._insert_after(piece, Piece(result.unread, pages_left, is_scrub=True))

    def _insert_after(self, piece: Piece, rest: Piece) -> None:
        self._pieces.insert(self._pieces.index(piece) + 1, rest)

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


def _density(reading: Reading, before: float | None = None) -> float:
    """Rows per microsecond of submitTime; after an empty stretch, a fraction of the one before."""
    oldest, newest = submit_edges(reading.table)
    start = oldest if reading.window.start is None else reading.window.start
    end = newest if reading.window.end is None else reading.window.end
    span = 1 if start is None or end is None else max(1, end - start)
    rows = reading.table.num_rows or 1
    return max(rows / span, (before or 0.0) / LONGEST_STRETCH)


Call = Callable[[], Callable[[], None]]
"""Makes requests, in a thread of the pool; returns the function that adds their results."""


class ScopeReader(Protocol):
    """The queue of one scope, and calls instead of its pieces.

    Each method is quick, and called by one thread at a time.
    """

    @property
    def bytes_held(self) -> int: ...

    @property
    def is_ready(self) -> bool: ...

    def next_call(self, *, has_room: bool) -> Call | None: ...

    def next_reading(self) -> Reading | None: ...


class ReadAhead:
    """Makes up to `threads` calls at a time, until about `READ_AHEAD_BYTES` are waiting.

    The current scope comes first, then some after it. Reading goes on while the last reading is
    being loaded.
    """

    def __init__(self, threads: int, scopes: Iterable[ScopeReader]) -> None:
        self._threads = threads
        self._scopes = deque(scopes)
        self._busy = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="list-async-invokes")

    def next_reading(self) -> Reading | None:
        """The next reading of the current scope; None at its end."""
        with self._changed:
            current = self._scopes[0]
            self._start_calls()
            self._changed.wait_for(lambda: current.is_ready)
            reading = current.next_reading()
            self._start_calls()
        return reading

    def close_scope(self) -> None:
        """Make the next scope the current one."""
        with self._changed:
            self._scopes.popleft()

    def close(self) -> None:
        """Start no more calls, without waiting for those under way."""
        with self._changed:
            self._is_closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _start_calls(self) -> None:
        while self._busy < self._threads and (call := self._next_call()):
            self._busy += 1
            self._executor.submit(self._run, call)

    def _next_call(self) -> Call | None:
        scopes = list(islice(self._scopes, 2 * self._threads))
        has_room = sum(scope.bytes_held for scope in scopes) < READ_AHEAD_BYTES
        for scope in scopes if has_room else scopes[:1]:
            if call := scope.next_call(has_room=has_room):
                return call
        return None

    def _run(self, call: Call) -> None:
        add_result = call()
        with self._changed:
            add_result()
            self._busy -= 1
            if not self._is_closed:
                self._start_calls()
            self._changed.notify_all()
