"""Shares and durations, as they are written and shown."""

import pytest

from bedrock_async_etl.check.quantities import (
    parse_duration,
    parse_share,
    show_duration,
    show_seconds,
    show_share,
)
from bedrock_async_etl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "share"),
    [("0.05", 0.05), ("5%", 0.05), ("5 %", 0.05), (".5", 0.5), ("0", 0), ("1", 1), ("100%", 1)],
)
def test_a_share_is_a_number_or_per_cent(text: str, share: float) -> None:
    assert parse_share("--max-failure-rate", text) == share


@pytest.mark.parametrize("text", ["5", "101%", "-0.1", "five", "", "nan", "1e-3", "5%%"])
def test_what_is_no_share_is_told_with_one_that_is(text: str) -> None:
    with pytest.raises(UsageError, match=r"--max-failure-rate .* It looks like 0.05 or 5%\."):
        parse_share("--max-failure-rate", text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("24h", 86_400), ("7d", 604_800), ("0", 0), (600, 600)],
)
def test_a_duration_is_seconds_or_has_a_unit(text: str | int, seconds: float) -> None:
    assert parse_duration("--max-lag", text) == seconds


@pytest.mark.parametrize("text", ["soon", "-1", "1w", "1h30m", "", "inf", "99999999d"])
def test_what_is_no_duration_is_told_with_one_that_is(text: str) -> None:
    with pytest.raises(UsageError, match=r"--max-lag .* It looks like 90s, 30m, 24h or 7d"):
        parse_duration("--max-lag", text)


def test_durations_are_shown_in_two_units() -> None:
    seconds = (0.4, 59.9, 60, 90, 3_600, 86_400, 86_460, 90_061, 1_922_400)
    shown = ["0s", "59s", "1m", "1m 30s", "1h", "1d", "1d", "1d 1h", "22d 6h"]
    assert [show_duration(each) for each in seconds] == shown


def test_shares_are_shown_in_per_cent() -> None:
    assert [show_share(each) for each in (0.05, 0.0971, 1)] == ["5 %", "9.71 %", "100 %"]


def test_seconds_are_shown_to_the_tenth() -> None:
    shown = [show_seconds(each) for each in (600, 77.4, 16_601.04)]
    assert shown == ["600 s", "77.4 s", "16,601 s"]
