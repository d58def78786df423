"""Times that are compared with the service's are the service's."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import load
from bedrock_async_invokes.service_clock import ServiceClock
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import query

MINUTE = timedelta(minutes=1)


def test_a_run_is_dated_by_the_service_where_this_machines_clock_is_off(
    bedrock: Control, database: Path
) -> None:
    """The local Bedrock's clock stands months before this machine's."""
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW - MINUTE)
    load(DuckDBDestination(database))
    times = "started_at, finished_at from bedrock.extract_runs"
    observed = query(database, "select observed_at from bedrock.async_invokes")
    assert all(
        abs(time - NOW) < MINUTE for row in query(database, f"select {times}") for time in row
    )
    assert all(abs(time - NOW) < MINUTE for (time,) in observed)


def clock_after(date: str | None) -> ServiceClock:
    clock = ServiceClock()
    clock._compare({"headers": {"Date": date} if date else {}})
    return clock


@pytest.mark.parametrize("date", [None, "yesterday", "Mon, 99 Foo 2026 25:61:61 GMT"])
def test_an_answer_without_a_time_leaves_the_local_clock(date: str | None) -> None:
    local = datetime(2026, 1, 1, tzinfo=UTC)
    assert clock_after(date).at(local) == local


@pytest.mark.parametrize(("seconds_off", "is_taken"), [(0, False), (-3, False), (-7, True)])
def test_a_difference_that_headers_cannot_tell_is_none(seconds_off: int, is_taken: bool) -> None:
    date = datetime.now(UTC) + timedelta(seconds=seconds_off)
    clock = clock_after(f"{date:%a, %d %b %Y %H:%M:%S} GMT")
    local = datetime(2026, 1, 1, tzinfo=UTC)
    assert (clock.at(local) != local) == is_taken


def test_what_is_read_later_is_not_put_before_what_was_read_earlier() -> None:
    """Both are answered in one second of the service, the later one sooner read."""
    date = "Tue, 31 Mar 2026 12:00:00 GMT"
    with time_machine.travel(NOW - MINUTE, tick=False) as local:
        earlier = clock_after(date)
        local.shift(0.9)
        read_earlier = earlier.now()
        later = clock_after(date)
        local.shift(0.1)
        assert read_earlier <= later.now()


def test_a_clock_beyond_the_last_year_is_none() -> None:
    """The answer came in the last second that can be told; now it is an hour later."""
    later = datetime.now(UTC) + timedelta(hours=1)
    assert clock_after("Fri, 31 Dec 9999 23:59:59 GMT").at(later) == later
