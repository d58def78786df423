"""The planner: every submitTime that must be read is in one window, at a bounded price."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bedrock_async_invokes.windows import (
    EARLIEST_US,
    LATEST_US,
    PAGE_SIZE,
    UNRANKED,
    OpenInvocation,
    Plan,
    Window,
    cut_piece,
    plan_increment,
    to_microseconds,
)

LAG_US = 300
instants = st.integers(0, 5_000_000)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Submit times of all rows read, ascending, and those of the rows that are still open."""
    submitted = sorted(draw(st.lists(instants, min_size=1, max_size=300)))
    spread = draw(st.sampled_from([1, 7, 40]))
    rows = [time for time in submitted for _ in range(spread)]
    ranks = draw(st.sets(st.integers(0, len(rows) - 1), max_size=60))
    return rows, sorted(ranks)


def plan_of(rows: list[int], ranks: list[int], end: int | None = None) -> Plan:
    still_open = [OpenInvocation(rows[rank], rank, "") for rank in ranks]
    return plan_increment(rows[-1], len(rows), still_open, LAG_US, end)


def windows_of(plan: Plan) -> list[Window]:
    return [*plan.refresh, plan.forward]


@example(([0, LAG_US + 1], [0]))
@given(histories())
def test_every_open_invocation_is_in_exactly_one_window(
    history: tuple[list[int], list[int]],
) -> None:
    rows, ranks = history
    windows = windows_of(plan_of(rows, ranks))
    for rank in ranks:
        assert sum(rows[rank] in window for window in windows) == 1


@given(histories(), instants)
def test_every_time_from_the_lag_on_is_in_exactly_one_window(
    history: tuple[list[int], list[int]], later: int
) -> None:
    rows, ranks = history
    windows = windows_of(plan_of(rows, ranks))
    for submit_us in (rows[-1] - LAG_US, rows[-1], rows[-1] + later):
        assert sum(submit_us in window for window in windows) == 1


@given(histories(), st.none() | instants)
def test_windows_are_ascending_and_disjoint(
    history: tuple[list[int], list[int]], end: int | None
) -> None:
    windows = windows_of(plan_of(*history, end=end))
    for earlier, later in pairwise(windows):
        assert earlier.start is not None
        assert earlier.end is not None
        assert later.start is not None
        assert earlier.start < earlier.end <= later.start


@given(histories())
def test_calls_are_at_most_one_per_open_invocation_and_per_thousand_rows(
    history: tuple[list[int], list[int]],
) -> None:
    rows, ranks = history
    plan = plan_of(rows, ranks)
    calls = sum(calls_of(window, rows) for window in windows_of(plan))
    near_watermark = sum(time >= rows[-1] - LAG_US for time in rows)
    ties = max(rows.count(time) for time in set(rows))
    assert calls <= 1 + len(ranks) + ceil((near_watermark + ties) / PAGE_SIZE)


def calls_of(window: Window, rows: list[int]) -> int:
    return max(1, ceil(sum(time in window for time in rows) / PAGE_SIZE))


@given(histories(), instants)
def test_nothing_is_read_from_the_end_on(history: tuple[list[int], list[int]], end: int) -> None:
    plan = plan_of(*history, end=end)
    assert plan.forward.end == end
    assert all(window.end is not None and window.end <= end for window in plan.refresh)


def test_a_first_run_reads_everything() -> None:
    assert plan_increment(None, 0, [], LAG_US) == Plan((), Window(), None)
    assert plan_increment(None, 0, [], LAG_US, 5) == Plan((), Window(None, 5), None)


def test_a_lone_straggler_has_a_window_of_its_own() -> None:
    straggler = OpenInvocation(1_000, 5, "")
    assert plan_increment(9_000_000, 50_000, [straggler], 0) == Plan(
        (Window(1_000, 1_001),), Window(9_000_000, None), 9_000_000
    )


def test_one_that_was_found_late_has_a_window_of_its_own() -> None:
    found_late = OpenInvocation(1_000, UNRANKED, "")
    assert plan_increment(9_000_000, 50_002, [found_late], 0).refresh == (Window(1_000, 1_001),)
    young = OpenInvocation(8_000_000, 49_990, "")
    assert plan_increment(9_000_000, 50_002, [found_late, young], 0) == Plan(
        (Window(1_000, 1_001),), Window(8_000_000, None), 9_000_000
    )


def test_neighbours_share_a_window() -> None:
    neighbours = [OpenInvocation(1_000, 5, ""), OpenInvocation(2_000, 400, "")]
    assert plan_increment(9_000_000, 50_000, neighbours, 0).refresh == (Window(1_000, 2_001),)


def test_half_a_page_apart_is_near_enough() -> None:
    near = [OpenInvocation(1_000, 5, ""), OpenInvocation(2_000, 5 + PAGE_SIZE // 2, "")]
    assert plan_increment(9_000_000, 50_000, near, 0).refresh == (Window(1_000, 2_001),)
    far = [OpenInvocation(1_000, 4, ""), near[1]]
    assert plan_increment(9_000_000, 50_000, far, 0).refresh == (
        Window(1_000, 1_001),
        Window(2_000, 2_001),
    )


def test_more_than_a_page_of_one_instant_is_one_window() -> None:
    twins = [OpenInvocation(1_000, 5, ""), OpenInvocation(1_000, 5 + PAGE_SIZE, "")]
    assert plan_increment(9_000_000, 50_000, twins, 0).refresh == (Window(1_000, 1_001),)


def test_what_is_open_at_the_end_has_no_neighbours() -> None:
    around = [OpenInvocation(4_000, 5, ""), OpenInvocation(5_000, 10, "")]
    assert plan_increment(9_000_000, 50_000, around, 0, 5_000) == Plan(
        (Window(4_000, 4_001),), Window(5_000, 5_000), 5_000
    )


def test_recent_open_invocations_stretch_the_forward_window() -> None:
    """What was submitted before the lag then counts only where it is open."""
    recent = [OpenInvocation(8_000, 49_700, ""), OpenInvocation(8_500, 49_900, "")]
    assert plan_increment(9_000, 50_000, recent, 100) == Plan((), Window(8_000, None), 8_900)


@given(instants, st.integers(1, 5_000_000), st.floats(1e-7, 1e3), st.integers(1, 100_000))
def test_pieces_of_a_window_are_the_window(
    start: int, length: int, rows_per_us: float, piece_rows: int
) -> None:
    whole = Window(start, start + length)
    first, rest = cut_piece(whole, rows_per_us, piece_rows)
    assert first.start == whole.start
    assert not first.is_empty
    if rest is None:
        assert first == whole
    else:
        assert (rest.start, rest.end) == (first.end, whole.end)
        assert not rest.is_empty


def test_a_piece_has_about_as_many_rows_as_asked_for() -> None:
    """Less than half a piece stays with it; a microsecond cannot be cut."""
    assert cut_piece(Window(0, 1_000_000), 0.01, 1_000) == (
        Window(0, 100_000),
        Window(100_000, 1_000_000),
    )
    assert cut_piece(Window(0, 150_000), 0.01, 1_000) == (Window(0, 150_000), None)
    assert cut_piece(Window(0, 150_001), 0.01, 1_000)[0] == Window(0, 100_000)
    assert cut_piece(Window(0, 10), 1e3, 1) == (Window(0, 1), Window(1, 10))


def test_an_unbounded_window_is_not_cut() -> None:
    with pytest.raises(ValueError, match="bounded"):
        cut_piece(Window(None, 5), 1.0, 1_000)


@pytest.mark.parametrize(
    ("time", "microseconds"),
    [
        (datetime(1970, 1, 1, 0, 0, 1, 7, tzinfo=UTC), 1_000_007),
        (datetime(1970, 1, 1, 0, 0, 1, 7), 1_000_007),
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 0),
        (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), -1_000_000),
    ],
)
def test_a_time_is_counted_from_1970(time: datetime, microseconds: int) -> None:
    found = to_microseconds(time)
    assert (found, type(found)) == (microseconds, int)


@pytest.mark.parametrize(
    ("edge", "hours", "microseconds"),
    [(datetime.min, 14, EARLIEST_US), (datetime.max, -5, LATEST_US)],
)
def test_a_time_that_utc_has_no_year_for_is_the_nearest(
    edge: datetime, hours: int, microseconds: int
) -> None:
    zone = timezone(timedelta(hours=hours))
    assert to_microseconds(edge.replace(tzinfo=zone)) == microseconds


@pytest.mark.parametrize(
    ("window", "end", "before"),
    [
        (Window(1, 5), None, Window(1, 5)),
        (Window(1, 5), 3, Window(1, 3)),
        (Window(1, 5), 5, Window(1, 5)),
        (Window(1, 5), 7, Window(1, 5)),
        (Window(1, None), 3, Window(1, 3)),
        (Window(None, 5), 3, Window(None, 3)),
    ],
)
def test_the_part_before_a_time(window: Window, end: int | None, before: Window) -> None:
    assert window.before(end) == before


@pytest.mark.parametrize(
    ("start", "window", "is_forward"),
    [
        (None, Window(None, 3), True),
        (4, Window(None, 3), False),
        (4, Window(3, 5), False),
        (4, Window(4, 5), True),
        (4, Window(5, 6), True),
    ],
)
def test_a_part_of_the_forward_window_is_told_from_others(
    start: int | None, window: Window, is_forward: bool
) -> None:
    assert Plan((), Window(start, 9), None).is_forward(window) is is_forward
