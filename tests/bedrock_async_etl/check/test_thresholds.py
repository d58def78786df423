"""Thresholds from flags, the environment and the file, in this order."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from bedrock_async_etl.check.thresholds import (
    Limits,
    Thresholds,
    find_thresholds,
    parse_share,
)
from bedrock_async_etl.errors import UsageError
from bedrock_async_invokes.errors import OptionError
from bedrock_async_invokes.options import parse_duration

REEL, RAY = "amazon.nova-reel-v1:1", "luma.ray-v2:0"
PREFIX = "BEDROCK_ASYNC_ETL__CHECK__"
CONFIG = f"""
[bedrock_async_etl]
models = "/opt/our_models"

[bedrock_async_etl.check]
max_failure_rate = "5%"
max_p95 = 600
max_lag = "1h"
window = "7d"
strict = true
allow_empty = true

[bedrock_async_etl.check.models."{REEL}"]
max_failure_rate = 0.1
max_p95 = "15m"

[bedrock_async_etl.check.models."{RAY}"]
max_open_age = "1d"
"""


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[None]:
    """A project with CONFIG."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(CONFIG)
    context = Container()[PluggableRunContext]
    before = context.context.run_dir
    context.reload(str(tmp_path))
    yield
    context.reload(before)


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def set_one(name: str, value: str) -> None:
        monkeypatch.setenv(f"{PREFIX}{name}", value)

    return set_one


def test_thresholds_come_from_flags() -> None:
    assert find_thresholds(
        max_failure_rate=["5%", f"{REEL}=0.1"],
        max_p95=[f"{REEL}=15m"],
        max_open_age=["24h"],
        max_lag="90",
        window="12h",
        strict=True,
        allow_empty=True,
    ) == Thresholds(
        {
            "failure_rate": Limits(0.05, {REEL: 0.1}),
            "p95": Limits(None, {REEL: 900}),
            "open_age": Limits(86_400),
            "lag": Limits(90),
        },
        timedelta(hours=12),
        is_strict=True,
        allows_empty=True,
    )


def test_the_window_is_a_day_where_nothing_is_said() -> None:
    hour = Thresholds({"lag": Limits(3_600)}, window=timedelta(days=1))
    assert find_thresholds(max_lag="1h") == hour


@pytest.mark.usefixtures("configured")
def test_thresholds_come_from_the_file() -> None:
    assert find_thresholds() == Thresholds(
        {
            "failure_rate": Limits(0.05, {REEL: 0.1}),
            "p95": Limits(600, {REEL: 900}),
            "open_age": Limits(None, {RAY: 86_400}),
            "lag": Limits(3_600),
        },
        timedelta(days=7),
        is_strict=True,
        allows_empty=True,
    )


@pytest.mark.usefixtures("configured")
def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    env: Callable[[str, str], None],
) -> None:
    env("MAX_FAILURE_RATE", "6%")
    env("MAX_P95", "700")
    env("MODELS", json.dumps({REEL: {"max_failure_rate": 0.2, "max_p95": 1_000}}))
    thresholds = find_thresholds(max_failure_rate=["7%"], max_p95=[f"{REEL}=20m"])
    assert thresholds.limits == {
        "failure_rate": Limits(0.07, {REEL: 0.2}),
        "p95": Limits(700, {REEL: 1_200}),
        "lag": Limits(3_600),
    }


def test_other_programs_variables_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDOW", "0")
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__MODELS", "/opt/our_models")
    assert find_thresholds(max_lag="1h").window == timedelta(days=1)


def test_no_threshold_at_all_says_how_to_give_one() -> None:
    with pytest.raises(UsageError, match=r"nothing to check: give --max-failure-rate, .* \.dlt/c"):
        find_thresholds(window="1h")


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"max_p95": ["1", "2"]}, "--max-p95 is given twice for all models"),
        ({"max_p95": ["a=1", "a=2"]}, "--max-p95 is given twice for a: give it once"),
        ({"max_p95": ["a="]}, "--max-p95 '' is not a duration"),
        ({"max_failure_rate": ["5"]}, "--max-failure-rate '5' is not a share"),
        ({"max_lag": "soon"}, "--max-lag 'soon' is not a duration"),
        ({"max_lag": "1h", "window": "0"}, "--window must be longer than 0 seconds"),
    ],
)
def test_a_wrong_flag_is_told(flags: dict[str, Any], complaint: str) -> None:
    with pytest.raises((UsageError, OptionError), match=complaint):
        find_thresholds(**flags)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("MODELS", "{", r"check\.models cannot be read"),
        ("MODELS", '{"a": 1}', r'check\.models\."a" cannot be read'),
        (
            "MODELS",
            '{"a": {"max_p59": 1}}',
            "which are max_failure_rate, max_service",
        ),
        ("STRICT", "maybe", r"check\.strict cannot be read"),
        ("PER", "hour", "per is one of scope, region, model, all, not 'hour'"),
        ("WINDOW", "soon", "--window 'soon' is not a duration"),
    ],
)
def test_a_wrong_setting_is_told(
    env: Callable[[str, str], None], name: str, value: str, complaint: str
) -> None:
    env(name, value)
    with pytest.raises((UsageError, OptionError), match=complaint):
        find_thresholds(max_lag="1h")


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


@pytest.mark.parametrize("text", ["soon", "-1", "1y", "1h30m", "", "inf", "99999999d"])
def test_what_is_no_duration_is_told_with_one_that_is(text: str) -> None:
    with pytest.raises(OptionError, match=r"--max-lag .* It looks like 90s, 30m, 24h or 7d"):
        parse_duration("--max-lag", text)
