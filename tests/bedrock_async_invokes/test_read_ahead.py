"""One pool over all scopes: what is given out first is read first, and not too much ahead."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

from bedrock_async_invokes.listing import Reading
from bedrock_async_invokes.read_ahead import READ_AHEAD_BYTES, Call, ReadAhead
from bedrock_async_invokes.records import NO_ROWS
from bedrock_async_invokes.windows import Window

SECONDS = 10


class FakeReader:
    """Windows 0, 1, 2, ... of one scope; each is read once `let_through` has let it."""

    def __init__(self, number: int, windows: int, bytes_each: int = 1) -> None:
        self.number = number
        self.started: list[int] = []
        self.let_through = threading.Semaphore(0)
        self._windows = windows
        self._bytes_each = bytes_each
        self._read: dict[int, Reading | Exception] = {}
        self._given = 0

    @property
    def bytes_held(self) -> int:
        return len(self._read) * self._bytes_each

    @property
    def is_ready(self) -> bool:
        return self._given == self._windows or self._given in self._read

    def next_call(self, *, has_room: bool) -> Call | None:
        window = len(self.started)
        if window == self._windows or (window > self._given and not has_room):
            return None
        self.started.append(window)
        return partial(self._call, window)

    def next_reading(self) -> Reading | None:
        if self._given == self._windows:
            return None
        outcome = self._read.pop(self._given)
        self._given += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _call(self, window: int) -> Callable[[], None]:
        assert self.let_through.acquire(timeout=SECONDS)
        return partial(self._read.__setitem__, window, reading(self.number, window))


def reading(scope: int, window: int) -> Reading:
    return Reading(Window(scope, window), NO_ROWS, None)


def given_out(pool: ReadAhead, readers: list[FakeReader]) -> list[tuple[int | None, int | None]]:
    windows = []
    for _ in readers:
        while (one := pool.next_reading()) is not None:
            windows.append((one.window.start, one.window.end))
        pool.close_scope()
    return windows


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_all_is_given_out_in_order(threads: int) -> None:
    readers = [FakeReader(number, windows) for number, windows in enumerate((3, 0, 5, 1))]
    for reader in readers:
        reader.let_through.release(5)
    windows = given_out(ReadAhead(threads, readers), readers)
    assert windows == [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1), (2, 2), (2, 3), (2, 4), (3, 0)]


def test_no_more_calls_are_under_way_than_threads() -> None:
    readers = [FakeReader(0, 2), FakeReader(1, 9)]
    pool = ReadAhead(4, readers)
    readers[0].let_through.release()
    pool.next_reading()
    assert (readers[0].started, readers[1].started) == ([0, 1], [0, 1, 2])
    readers[0].let_through.release()
    readers[1].let_through.release(9)
    assert given_out(pool, readers)[0] == (0, 1)


def test_what_waits_to_be_given_out_is_bounded() -> None:
    """The pool stands still when enough is waiting, and goes on when some of it is taken."""
    readers = [FakeReader(0, 50, bytes_each=READ_AHEAD_BYTES // 4)]
    readers[0].let_through.release(50)
    pool = ReadAhead(2, readers)
    for taken in range(1, 51):
        assert pool.next_reading() == reading(0, taken - 1)
        assert len(readers[0].started) - taken <= 4 + 2
    assert pool.next_reading() is None


def test_scopes_far_ahead_are_not_begun() -> None:
    readers = [FakeReader(number, 1) for number in range(100)]
    for reader in readers:
        reader.let_through.release()
    pool = ReadAhead(3, readers)
    pool.next_reading()
    assert sum(bool(reader.started) for reader in readers) <= 2 * 3
    assert len(given_out(pool, readers)) == 99


def test_a_pool_that_is_closed_starts_nothing_more() -> None:
    readers = [FakeReader(0, 9)]
    pool = ReadAhead(1, readers)
    readers[0].let_through.release()
    pool.next_reading()
    pool.close()
    readers[0].let_through.release(9)
    assert readers[0].started == [0, 1]
