"""Time is virtual: it stands still until it is moved, and all follows from it."""

from typing import Any

import pytest

from bedrock_emulator import Control

from .wire import ACCOUNT, HOUR, MINUTE, NOW, REGION, arns


def test_the_clock_stands_still_until_it_is_moved(control: Control) -> None:
    """It starts at the time of its creation, and moves by each step."""
    assert control.now() == control.now() == NOW
    assert control.advance(90 * MINUTE) == control.now() == NOW + 90 * MINUTE
    assert control.set_clock(NOW) == control.now() == NOW


def test_the_clock_moves_on_before_1970(control: Control) -> None:
    """Times before the epoch are times like others."""
    control.set_clock(NOW.replace(year=1969))

    assert control.advance(MINUTE) == control.now() == NOW.replace(year=1969) + MINUTE


@pytest.mark.parametrize(
    ("failure_message", "outcome"), [(None, "Completed"), ("no space left", "Failed")]
)
def test_an_invocation_ends_at_its_end(
    control: Control, bedrock: Any, failure_message: str | None, outcome: str
) -> None:
    """In progress a millisecond before, ended at that instant, and the same row ever after.

    The filter by status sees it in the same way.
    """
    control.submit(
        ACCOUNT, REGION, submit_time=NOW, duration=MINUTE, failure_message=failure_message
    )

    def seen() -> tuple[Any, ...]:
        [row] = bedrock.list_async_invokes()["asyncInvokeSummaries"]
        filtered = bedrock.list_async_invokes(statusEquals=row["status"])
        assert filtered["asyncInvokeSummaries"] == [row]
        names = ("status", "lastModifiedTime", "endTime", "failureMessage")
        return tuple(row.get(name) for name in names)

    running, ended = ("InProgress", NOW, None, None), NOW + MINUTE
    assert seen() == running
    control.set_clock(ended - MINUTE / 60_000)
    assert seen() == running
    control.set_clock(ended)
    assert seen() == (outcome, ended, ended, failure_message)
    control.advance(24 * HOUR)
    assert seen() == (outcome, ended, ended, failure_message)


def test_an_invocation_without_an_end_never_ends(control: Control, bedrock: Any) -> None:
    """Not in a hundred years."""
    control.submit(ACCOUNT, REGION, submit_time=NOW)
    control.set_clock(NOW.replace(year=2126))

    [row] = bedrock.list_async_invokes()["asyncInvokeSummaries"]

    assert row["status"] == "InProgress"


def test_an_invocation_is_listed_from_its_submit_time_on(control: Control, bedrock: Any) -> None:
    """What lies in the future is not there yet."""
    arn = control.submit(ACCOUNT, REGION, submit_time=NOW + HOUR)

    assert bedrock.list_async_invokes()["asyncInvokeSummaries"] == []
    control.set_clock(NOW + HOUR)
    assert arns(bedrock.list_async_invokes()["asyncInvokeSummaries"]) == [arn]
