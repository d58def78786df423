"""Progress of one scope: what is new, changed, vanished, and how far the watermark is."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.progress import FORGIVEN_US, Changes, Progress, Stored
from bedrock_async_invokes.records import digests, to_table
from bedrock_async_invokes.windows import UNRANKED, Window, to_microseconds, to_time

OBSERVED = datetime(2026, 3, 31, tzinfo=UTC)
EPOCH_US = to_microseconds(datetime(2026, 3, 1, tzinfo=UTC))
SECOND = 1_000_000
LAG_US = 300 * SECOND
NOW_US = to_microseconds(OBSERVED)


def listed(number: int, second: int | None, status: str | None = "Completed") -> dict[str, Any]:
    submit = None if second is None else to_time(EPOCH_US + second * SECOND).isoformat()
    return {
        "invocationArn": f"arn:aws:bedrock:us-east-1:111122223333:async-invoke/{number:012d}",
        "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/luma.ray-v2:0",
        "status": status,
        "submitTime": submit,
    }


def table_of(*summaries: dict[str, Any]) -> pa.Table:
    return to_table(page_of(summaries), OBSERVED)


def take(progress: Progress, *summaries: dict[str, Any], **options: Any) -> Changes:
    table = table_of(*summaries)
    progress.advance(table)
    return progress.changes(Window(), table, **options)


def numbers(table: pa.Table) -> list[int]:
    return [int(arn[-12:]) for arn in table["invocation_arn"].to_pylist()]


def restored(progress: Progress, *, hours: float = 0) -> Progress:
    """As the next run has it, so much later."""
    later = Progress.from_state(progress.to_state(), LAG_US)
    later.now_us = (progress.now_us or NOW_US) + int(hours * 3600 * SECOND)
    return later


def without(progress: Progress, *, hours: float = 0) -> tuple[Progress, Changes]:
    """The next run, which lists nothing."""
    later = restored(progress, hours=hours)
    return later, later.changes(Window(), table_of())


def test_what_is_read_first_is_new() -> None:
    changes = take(Progress(LAG_US), listed(1, 0), listed(2, 1, "InProgress"))
    assert numbers(changes.table) == [1, 2]
    assert changes[1:4] == (2, 0, ())


def test_nothing_is_neither_new_nor_changed() -> None:
    assert take(Progress(LAG_US))[1:4] == (0, 0, ())


def test_what_was_read_and_did_not_change_is_dropped() -> None:
    progress = Progress(LAG_US)
    rows = listed(1, 0), listed(2, 1, "InProgress")
    take(progress, *rows)
    assert take(restored(progress), *rows).table.num_rows == 0


def test_an_invocation_that_ended_has_changed() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0), listed(2, 1, "InProgress"))
    progress = restored(progress)
    changes = take(progress, listed(1, 0), listed(2, 1, "Failed"))
    assert numbers(changes.table) == [2]
    assert changes[1:4] == (0, 1, ())
    assert progress.open == {}


def test_a_row_that_became_visible_late_is_new() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0), listed(3, 100))
    changes = take(restored(progress), listed(1, 0), listed(2, 50), listed(3, 100))
    assert numbers(changes.table) == [2]


def test_settled_rows_count_only_where_they_are_open() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0, "InProgress"), listed(2, 1), listed(3, 1_000))
    progress = restored(progress)
    settled_before = EPOCH_US + 700 * SECOND
    rows = listed(1, 0), listed(2, 1), listed(3, 1_000)
    changes = take(progress, *rows, settled_before=settled_before)
    assert numbers(changes.table) == [1]


def test_an_open_invocation_that_its_window_does_not_list_has_vanished() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0, "InProgress"), listed(2, 50, "InProgress"))
    progress = restored(progress)
    window = Window(EPOCH_US, EPOCH_US + SECOND)
    changes = progress.changes(window, table_of())
    assert [int(arn[-12:]) for arn in changes.vanished] == [1]
    assert progress.open_invocations == 1


def test_what_vanished_is_told_once_and_looked_for_all_day_however_often_that_is() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0, "InProgress"))
    for hours, vanished, followed in (
        *((0.0, 1, 1), (0.01, 0, 1), (0.01, 0, 1), (0.01, 0, 1)),
        *((23.9, 0, 1), (0.06, 0, 1), (0.02, 0, 0)),
    ):
        progress, changes = without(progress, hours=hours)
        assert (len(changes.vanished), len(progress.open)) == (vanished, followed)


def test_what_vanished_is_given_up_by_the_first_run_after_a_day() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0, "InProgress"))
    progress, _ = without(progress)
    later = restored(progress, hours=FORGIVEN_US / SECOND / 3600)
    assert take(later, listed(1, 0, "Completed")).changed == 1
    progress, changes = without(progress, hours=24)
    assert (changes.vanished, progress.open) == ((), {})


def test_what_stays_away_changes_no_state_until_it_is_given_up() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0, "InProgress"))
    progress, _ = without(progress)
    state = progress.to_state()
    progress, _ = without(progress, hours=1)
    assert progress.to_state() == state


def test_a_clock_that_was_ahead_keeps_nothing_followed_for_longer() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0, "InProgress"))
    progress, _ = without(progress, hours=100_000)
    progress.now_us = NOW_US
    progress, _ = without(progress)
    assert len(progress.open) == 1
    progress, _ = without(progress, hours=24)
    assert progress.open == {}


def test_what_is_listed_beside_one_that_vanished_has_not() -> None:
    progress = Progress(LAG_US)
    rows = [listed(number, number, "InProgress") for number in (1, 2, 3)]
    take(progress, *rows)
    changes = take(restored(progress), rows[0], rows[2])
    assert [int(arn[-12:]) for arn in changes.vanished] == [2]


def test_what_is_outside_of_a_window_has_not_vanished_from_it() -> None:
    progress = Progress(LAG_US)
    take(progress, *(listed(number, number, "InProgress") for number in (1, 2, 3)))
    window = Window(EPOCH_US + 2 * SECOND, EPOCH_US + 3 * SECOND)
    changes = restored(progress).changes(window, table_of())
    assert [int(arn[-12:]) for arn in changes.vanished] == [2]


def test_what_vanished_and_came_back_is_written_once_and_followed_on() -> None:
    """Its row then says that it was read after it vanished."""
    progress = Progress(LAG_US)
    take(progress, listed(1, 0, "InProgress"))
    progress = restored(progress)
    progress.changes(Window(), table_of())
    written = []
    for _ in range(2):
        progress = restored(progress)
        written.append(take(progress, listed(1, 0, "InProgress")).table.num_rows)
    assert written == [1, 0]
    progress = restored(progress)
    assert progress.open_invocations == 1
    assert take(progress, listed(1, 0, "Completed")).changed == 1


def test_a_range_on_a_fresh_scope_leaves_no_trail_in_the_state() -> None:
    """Nothing says where its neighbourhood ends, so only what is open is remembered."""
    progress = Progress(LAG_US)
    progress.changes(Window(), table_of(listed(1, 0), listed(2, 1, "InProgress")))
    assert progress.to_state()["recent"] == {}
    assert len(progress.to_state()["open"]) == 1


def test_a_longer_lag_asks_the_destination() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0), listed(2, 1_000))
    state = progress.to_state()
    assert not Progress.from_state(state, LAG_US).is_patchy
    assert Progress.from_state(state, 2 * LAG_US).is_patchy


def test_what_the_destination_holds_is_not_loaded_again() -> None:
    rows = table_of(listed(1, 0), listed(2, 1))
    held = dict(zip(rows["invocation_arn"].to_pylist(), digests(rows), strict=True))
    asked = []

    def stored(table: pa.Table) -> dict[str, str]:
        asked.append(numbers(table))
        return held

    changes = take(Progress(LAG_US), listed(1, 0), listed(2, 1, "Failed"), stored=stored)
    assert asked == [[1, 2]]
    assert numbers(changes.table) == [2]
    assert changes[1:4] == (0, 1, ())


def test_a_row_without_submit_time_is_loaded_once() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, None, None), listed(2, 10_000))
    progress = restored(progress)
    assert take(progress, listed(1, None, None)).table.num_rows == 0
    assert numbers(take(progress, listed(1, None, "Failed")).table) == [1]


def test_a_row_without_submit_time_is_loaded_from_any_window() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0))
    changes = take(restored(progress), listed(2, None), settled_before=EPOCH_US + SECOND)
    assert numbers(changes.table) == [2]


def test_progress_comes_back_as_it_was_stored() -> None:
    """Its revision grows with what it tells, and with nothing else."""
    progress = Progress(LAG_US)
    take(progress, listed(1, 0), listed(2, 1, "InProgress"))
    progress.has_islands, progress.scrubbed_through = True, EPOCH_US
    state = progress.to_state()
    assert (state["has_islands"], state["scrubbed_through"]) == (True, EPOCH_US)
    assert state["revision"] == 1
    again = Progress.from_state(state, LAG_US)
    assert again.to_state() == state
    take(again, listed(3, 2))
    assert again.to_state()["revision"] == 2
    again.finish()
    assert (again.has_islands, again.recent_from) == (False, again.settled_before)


def test_a_scope_that_was_never_read_has_no_progress() -> None:
    assert Progress.from_state({}, LAG_US).to_state() == Progress(LAG_US).to_state()
    assert Progress(LAG_US).to_state() == {
        "submitted_through": None,
        "rows": 0,
        "open": {},
        "recent": {},
        "recent_from": None,
        "scrubbed_through": None,
        "has_islands": False,
        "revision": 1,
    }


def test_an_increment_ends_where_it_is_told_to() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0))
    assert progress.plan(EPOCH_US - SECOND).forward.end == EPOCH_US - SECOND


def test_the_watermark_never_moves_back() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 100))
    progress.advance(table_of(listed(2, 50)))
    progress.advance(table_of())
    assert progress.submitted_through == EPOCH_US + 100 * SECOND


def test_ended_invocations_are_remembered_as_long_as_the_lag() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0), listed(2, 100), listed(3, 350))
    assert [int(arn[-12:]) for arn in progress.to_state()["recent"]] == [2, 3]
    take(progress, listed(4, 500))
    assert [int(arn[-12:]) for arn in progress.to_state()["recent"]] == [3, 4]


def test_what_was_submitted_just_the_lag_ago_is_remembered() -> None:
    """The next increment begins with it."""
    progress = Progress(LAG_US)
    rows = listed(1, 0), listed(2, 300)
    take(progress, *rows)
    progress = restored(progress)
    assert progress.plan().forward.start == EPOCH_US
    assert take(progress, *rows).table.num_rows == 0
    assert take(restored(progress), *rows).table.num_rows == 0


def test_ranks_count_the_rows_read_before() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0, "InProgress"), listed(2, 1, "InProgress"), listed(3, 2))
    take(progress, listed(4, 3), listed(5, 4, "InProgress"))
    assert [seen.rank for seen in progress.open.values()] == [0, 1, 4]


def test_an_invocation_that_stays_open_keeps_its_rank() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 0), listed(2, 1, "Queued"))
    take(progress, listed(2, 1, "InProgress"), listed(3, 2))
    assert [seen.rank for seen in progress.open.values()] == [1]


def test_rows_that_are_stored_already_count_for_ranks() -> None:
    rows = table_of(*(listed(number, number) for number in range(900)))
    held = dict(zip(rows["invocation_arn"].to_pylist(), digests(rows), strict=True))
    progress = Progress(LAG_US)
    progress.advance(rows)
    assert progress.changes(Window(), rows, stored=lambda _: held).table.num_rows == 0
    take(progress, listed(901, 901, "InProgress"))
    assert [seen.rank for seen in progress.open.values()] == [900]


def test_what_is_found_out_of_order_has_no_rank() -> None:
    progress = Progress(LAG_US)
    take(progress, listed(1, 1_000))
    late = table_of(listed(2, 5, "InProgress"))
    progress.advance(late)
    progress.changes(Window(), late)
    assert [seen.rank for seen in progress.open.values()] == [UNRANKED]


def holding(*summaries: dict[str, Any]) -> Stored:
    """A destination that has these rows."""
    rows = table_of(*summaries)
    held = dict(zip(rows["invocation_arn"].to_pylist(), digests(rows), strict=True))

    def stored(table: pa.Table) -> dict[str, str]:
        return {arn: held[arn] for arn in table["invocation_arn"].to_pylist() if arn in held}

    return stored


def scrub(progress: Progress, *summaries: dict[str, Any], holds: Stored) -> Changes:
    """Read them again, and compare each with the destination."""
    return progress.changes(
        Window(), table_of(*summaries), progress.settled_before, holds, heals=True
    )


def counts(changes: Changes) -> dict[str, Any]:
    return {
        "new": changes.new,
        "changed": changes.changed,
        "healed": numbers(changes.healed),
        "late": numbers(changes.late),
    }


def test_the_scrub_heals_what_an_increment_would_pass_over() -> None:
    """A row that is missing was listed late; one that differs was stored."""
    progress = Progress(LAG_US)
    take(progress, listed(1, 0), listed(2, 1), listed(4, 10_000))
    again = [listed(1, 0), listed(2, 1, "Failed"), listed(3, 2), listed(4, 10_000)]
    progress = restored(progress)
    changes = scrub(progress, *again, holds=holding(again[0], listed(2, 1), again[3]))
    assert numbers(changes.table) == [2, 3]
    assert counts(changes) == {"new": 0, "changed": 0, "healed": [2, 3], "late": [3]}


def test_the_scrub_counts_as_new_and_changed_what_an_increment_would_load() -> None:
    progress = Progress(LAG_US)
    before = [listed(1, 0, "InProgress"), listed(2, 1, "InProgress"), listed(4, 10_000)]
    take(progress, *before)
    again = [listed(1, 0, "InProgress"), listed(2, 1), listed(3, 9_999), listed(4, 10_000)]
    progress = restored(progress)
    changes = scrub(progress, *again, holds=holding(*before))
    assert numbers(changes.table) == [2, 3]
    assert counts(changes) == {"new": 1, "changed": 1, "healed": [], "late": []}


def test_the_scrub_heals_what_is_near_the_watermark_and_stored_otherwise() -> None:
    """An increment would pass over it, since it is listed as it was read."""
    progress = Progress(LAG_US)
    take(progress, listed(1, 0), listed(2, 1))
    progress = restored(progress)
    rows = listed(1, 0), listed(2, 1)
    changes = scrub(progress, *rows, holds=holding(listed(1, 0, "Failed"), rows[1]))
    assert counts(changes) == {"new": 0, "changed": 0, "healed": [1], "late": []}


def test_an_open_invocation_that_is_listed_after_it_was_given_up_is_loaded_again() -> None:
    progress = Progress(LAG_US)
    rows = listed(1, 0, "InProgress"), listed(2, 10_000)
    take(progress, *rows)
    progress, _ = without(progress)
    progress, _ = without(progress, hours=24)
    assert progress.open == {}
    changes = scrub(progress, *rows, holds=holding(*rows))
    assert numbers(changes.table) == numbers(changes.healed) == [1]
    assert len(progress.open) == 1


def test_the_scrub_passes_over_what_its_own_run_has_loaded() -> None:
    """It is not stored yet, so that it would count as missing."""
    progress = Progress(LAG_US)
    take(progress, listed(1, 0, "InProgress"), listed(2, 1, "InProgress"), listed(5, 10_000))
    progress = restored(progress)
    settled_before = progress.settled_before
    for ended in (listed(1, 0), listed(2, 1, "Failed"), listed(3, None)):
        assert take(progress, ended, settled_before=settled_before).table.num_rows == 1
    again = [listed(1, 0), listed(2, 1, "Failed"), listed(3, None), listed(5, 10_000)]
    changes = scrub(progress, *again, holds=holding(listed(5, 10_000)))
    assert changes.table.num_rows == 0


@pytest.mark.parametrize("is_patchy", [False, True])
def test_due_is_what_an_increment_would_load(is_patchy: bool) -> None:
    progress = Progress(LAG_US)
    rows = listed(1, 0), listed(2, 1, "InProgress"), listed(3, 10_000)
    take(progress, *rows)
    progress = restored(progress)
    progress.has_islands = is_patchy
    again = table_of(listed(1, 0, "Failed"), listed(2, 1), rows[2], listed(4, 10_001))
    assert progress.is_due(again, None).to_pylist() == [True] * 4
    due = progress.is_due(again, progress.settled_before).to_pylist()
    # What progress does not know whole is for the destination to compare.
    assert due == [False, True, is_patchy, True]


statuses = st.sampled_from(["InProgress", "Completed", "Failed", "Queued", None])


@given(st.lists(st.tuples(statuses, st.integers(0, 2_000)), max_size=40))
def test_a_second_reading_of_the_same_changes_nothing(rows: list[tuple[str | None, int]]) -> None:
    summaries = [listed(number, second, status) for number, (status, second) in enumerate(rows)]
    progress = Progress(LAG_US)
    assert take(progress, *summaries).new == len(rows)
    state = progress.to_state()
    again = Progress.from_state(state, LAG_US)
    settled_before = again.plan().settled_before
    assert take(again, *summaries, settled_before=settled_before).table.num_rows == 0
    assert again.to_state() == state
