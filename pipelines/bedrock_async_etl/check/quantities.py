"""Shares and durations: as they are written, and as they are shown."""

import re
from datetime import datetime
from typing import Any, Final

from bedrock_async_etl import formatting as words
from bedrock_async_etl.errors import UsageError

DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
SHARE: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(%?)")
SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
CENTURY: Final = 36_525 * 86_400
"""Times further back than this are a slip, and none that a database could tell."""


def parse_share(option: str, value: Any) -> float:
    """Read `0.05` or `5%`; raises `UsageError` for what is not between 0 and 1."""
    match = SHARE.fullmatch(str(value).strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else None
    if share is None or share > 1:
        raise UsageError(f"{option} {value!r} is not a share. It looks like 0.05 or 5%.")
    return share


def parse_duration(option: str, value: Any) -> float:
    """Read `90`, `90s`, `30m`, `24h` or `7d` as seconds; raises `UsageError` for anything else."""
    match = DURATION.fullmatch(str(value).strip())
    seconds = float(match[1]) * SECONDS[match[2]] if match else None
    if seconds is None or seconds > CENTURY:
        raise UsageError(
            f"{option} {value!r} is not a duration. It looks like 90s, 30m, 24h or 7d; "
            "a number alone is seconds."
        )
    return seconds


def show_share(share: float) -> str:
    """In per cent, to the hundredth."""
    return f"{round(100 * share, 2):g} %"


def show_seconds(seconds: float) -> str:
    """To the tenth, as the models are shown."""
    return f"{round(seconds, 1):,.15g} s"


def show_duration(seconds: float) -> str:
    """In its largest unit and the next one, such as `22d 6h`."""
    whole = max(int(seconds), 0)
    parts = [(whole // 86_400, "d"), (whole // 3_600 % 24, "h"), (whole // 60 % 60, "m")]
    parts.append((whole % 60, "s"))
    first = next((index for index, (count, _) in enumerate(parts) if count), 3)
    shown = parts[first : first + 2]
    return " ".join(f"{count}{unit}" for count, unit in shown if count or unit == parts[first][1])


def show_time(time: datetime) -> str:
    """UTC to the second; the database's times are in UTC."""
    return f"{words.show_time(time)} UTC"
