"""Instants: whole milliseconds since the epoch inside, ISO 8601 in UTC on the wire."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 1_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTES = tuple(f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


@lru_cache(maxsize=8192)
def _date(day: int) -> str:
    return f"{(_EPOCH + timedelta(days=day)).date().isoformat()}T"


def iso(instant: int) -> str:
    """Write milliseconds since the epoch as AWS does: ``2026-01-05T09:12:33.123Z``."""
    day, rest = divmod(instant, DAY)
    minute, rest = divmod(rest, 60_000)
    second, millisecond = divmod(rest, 1_000)
    return f"{_date(day)}{_MINUTES[minute]}{second:02d}.{millisecond:03d}Z"


def microseconds(when: datetime) -> int:
    """Microseconds since the epoch; raises ValueError for a time without a zone."""
    if when.tzinfo is None:
        raise ValueError(f"{when.isoformat()} has no time zone: add one, for instance +00:00")
    return (when - _EPOCH) // timedelta(microseconds=1)


def milliseconds(when: datetime) -> int:
    """Milliseconds since the epoch, rounded down; raises ValueError without a zone."""
    return microseconds(when) // 1_000


def moment(instant: int) -> datetime:
    """Milliseconds since the epoch as an aware datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=instant)


def parse(text: str) -> datetime:
    """Read an ISO 8601 time with seconds and a zone; raises ValueError for anything else."""
    if not _ISO.fullmatch(text):
        raise ValueError(f"{text!r} is not an ISO 8601 time with a zone, as 2026-01-05T09:00:00Z")
    return datetime.fromisoformat(text)
