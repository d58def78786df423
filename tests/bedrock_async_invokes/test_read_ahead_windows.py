"""Pieces of a scope's windows: each row is given out once, in order, whenever it was read."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_async_invokes.columns import TIMESTAMP
from bedrock_async_invokes.listing import Reading
from bedrock_async_invokes.read_ahead import Piece, WindowQueue
from bedrock_async_invokes.windows import Plan, Window

PAGE = 3
FIRST_LOAD = Plan((), Window(), None)

times = st.lists(st.integers(0, 500) | st.integers(0, 20), max_size=120).map(sorted)
concurrency = st.integers(1, 6)


def table_of(submitted: list[int]) -> pa.Table:
    return pa.table({"submit_time": pa.array(submitted, pa.int64()).cast(TIMESTAMP)})


def read(piece: Piece, submitted: list[int]) -> Reading:
    """What a chain of pages of `PAGE` rows gives: it stops between two times."""
    window = piece.window
    first = 0 if window.start is None else bisect_left(submitted, window.start)
    last = None if window.end is None else bisect_left(submitted, window.end)
    rows = submitted[first:last]
    if piece.newest_first:
        rows.reverse()
    length = PAGE * piece.max_pages
    while length < len(rows) and rows[length - 1] == rows[0]:
        length += PAGE
    if length >= len(rows):
        return Reading(window, table_of(sorted(rows)), None)
    edge = rows[length - 1]
    if piece.newest_first:
        unread, done = Window(window.start, edge + 1), Window(edge + 1, window.end)
    else:
        unread, done = Window(edge, window.end), Window(window.start, edge)
    return Reading(done, table_of(sorted(row for row in rows if row in done)), unread)


@contextmanager
def small_pages() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bedrock_async_invokes.read_ahead.PAGE_SIZE", PAGE)
        yield


def picked(queue: WindowQueue, *, has_room: bool = True) -> list[Piece]:
    pieces = []
    while piece := queue.next_piece(has_room=has_room):
        pieces.append(piece)
    return pieces


def past_the_head(submitted: list[int]) -> WindowQueue:
    """A queue that knows the newest page, and has given out the oldest one."""
    queue = WindowQueue(FIRST_LOAD, 4)
    for _ in range(2):
        [piece] = picked(queue)
        queue.add_result(piece, read(piece, submitted))
    queue.next_reading()
    return queue


def rows_of(readings: list[Reading]) -> list[int]:
    return [
        submitted
        for reading in readings
        for submitted in reading.table["submit_time"].cast(pa.int64()).to_pylist()
    ]


@given(times, concurrency, st.data())
def test_every_row_is_given_out_once_and_in_order(
    submitted: list[int], threads: int, data: st.DataObject
) -> None:
    """In whatever order the pieces come back, and however many are under way."""
    with small_pages():
        queue = WindowQueue(FIRST_LOAD, threads)
        under_way: list[Piece] = []
        given_out: list[Reading] = []
        while True:
            while len(under_way) < threads and (piece := queue.next_piece(has_room=True)):
                under_way.append(piece)
            assert queue.under_way == len(under_way)
            if queue.is_ready:
                if (reading := queue.next_reading()) is None:
                    break
                given_out.append(reading)
                continue
            piece = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
            queue.add_result(piece, read(piece, submitted))
    assert rows_of(given_out) == submitted
    edges = [edge for each in given_out for edge in (each.window.start, each.window.end)]
    assert edges[0] is None
    assert edges[-1] is None
    assert edges[1:-1:2] == edges[2:-1:2]
    assert queue.bytes_held == 0


def test_the_newest_page_is_asked_for_first_and_alone() -> None:
    queue = WindowQueue(FIRST_LOAD, 8)
    [newest] = picked(queue)
    assert (newest.newest_first, newest.max_pages) == (True, 1)
    assert not queue.is_ready


def test_without_room_only_what_is_given_out_next_is_read() -> None:
    submitted = list(range(1_000))
    with small_pages():
        queue = past_the_head(submitted)
        [first] = picked(queue, has_room=False)
        assert first.window.start == PAGE - 1
        assert len(picked(queue)) > 3


def test_what_was_read_and_not_given_out_is_counted() -> None:
    with small_pages():
        queue = WindowQueue(FIRST_LOAD, 4)
        [newest] = picked(queue)
        queue.add_result(newest, read(newest, [1, 2]))
        assert queue.bytes_held == 2 * 8
        queue.next_reading()
        assert queue.bytes_held == 0


def test_behind_a_failure_nothing_is_read_or_given_out() -> None:
    submitted = list(range(1_000))
    with small_pages():
        queue = past_the_head(submitted)
        first, failed, *others = picked(queue)[:4]
        queue.add_result(failed, ValueError("broken"))
        for piece in (first, *others):
            queue.add_result(piece, read(piece, submitted))
        given_out: list[Reading] = []
        while first.window.end not in (each.window.end for each in given_out):
            given_out += [reading] if (reading := queue.next_reading()) else []
            for piece in picked(queue):
                queue.add_result(piece, read(piece, submitted))
        with pytest.raises(ValueError, match="broken"):
            queue.next_reading()
        assert picked(queue) == []
    assert rows_of(given_out) == [row for row in submitted if row in first.window]


def test_an_empty_stretch_is_crossed_in_few_calls() -> None:
    """It is not cut as finely as the busy time before it."""
    submitted = [*range(100), *range(1_000_000, 1_000_100)]
    threads = 8
    with small_pages():
        queue = WindowQueue(FIRST_LOAD, threads)
        under_way = deque[Piece]()
        calls_in_between = 0
        while True:
            while len(under_way) < threads and (piece := queue.next_piece(has_room=True)):
                under_way.append(piece)
            if queue.is_ready:
                if queue.next_reading() is None:
                    break
                continue
            piece = under_way.popleft()
            calls_in_between += not rows_of([reading := read(piece, submitted)])
            queue.add_result(piece, reading)
    assert calls_in_between <= 3 * threads


def test_an_empty_window_asks_for_nothing() -> None:
    queue = WindowQueue(Plan((), Window(5, 5), None), 4)
    assert queue.next_piece(has_room=True) is None
    assert queue.is_ready
    assert queue.next_reading() is None
