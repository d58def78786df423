"""Options are read as people type them."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from bedrock_async_etl.configuration import configured_options
from bedrock_async_invokes.errors import OptionError
from bedrock_async_invokes.options import LoadOptions, parse_time
from bedrock_async_invokes.windows import Window, to_microseconds
from tests.conftest import NOW

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-03-01", MARCH),
        ("2026-03-01T00:00", MARCH),
        ("2026-03-01T01:00+01:00", MARCH),
        (" 2026-03-01T00:00:00Z ", MARCH),
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("12h", NOW - timedelta(hours=12)),
        ("2d", NOW - timedelta(days=2)),
        ("2 w", NOW - timedelta(weeks=2)),
    ],
)
def test_a_time_is_iso_8601_or_so_long_ago(text: str, time: datetime) -> None:
    with time_machine.travel(NOW, tick=False):
        assert parse_time("since", text) == time
        assert LoadOptions(since=text).window.start == to_microseconds(time)


@pytest.mark.parametrize("text", ["", "yesterday", "2", "-2d", "2y", "999999999d", "9" * 400 + "d"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(OptionError, match=r"until is not a time: .* It looks like 2026-01-31, "):
        LoadOptions(until=text)


def test_a_time_without_a_zone_is_utc() -> None:
    assert parse_time("since", datetime(2026, 3, 1)) == MARCH
    assert parse_time("since", date(2026, 3, 1)) == MARCH


def test_a_window_is_between_two_times_or_unbounded() -> None:
    since, until = MARCH, MARCH + timedelta(days=1)
    start, end = to_microseconds(since), to_microseconds(until)
    assert LoadOptions(since=since, until=until).window == Window(start, end)
    assert LoadOptions(since=since).window == Window(start, None)
    assert LoadOptions(until=until).window == Window(None, end)
    assert LoadOptions().window == Window()


def test_a_range_of_times_so_long_ago_is_in_order() -> None:
    LoadOptions(since="2d", until="12h")
    with pytest.raises(OptionError, match="The range is empty"):
        LoadOptions(since="12h", until="2d")


@time_machine.travel(NOW, tick=False)
def test_configuration_may_have_a_time_so_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__BEDROCK_ASYNC_INVOKES__SINCE", "2d")
    assert configured_options(LoadOptions).window.start == to_microseconds(NOW - timedelta(days=2))
