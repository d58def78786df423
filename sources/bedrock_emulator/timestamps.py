"""Timestamps: whole milliseconds since the epoch inside, ISO 8601 in UTC on the wire."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 1_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
MILLISECOND = timedelta(milliseconds=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=8192)
def _hour(hour: int) -> str:
    return f"{(_EPOCH + timedelta(hours=hour)).isoformat()[:13]}:"


def iso(timestamp: int) -> str:
    """The form that AWS writes, ``2026-01-05T09:12:33.123Z``, at half the cost of datetime's."""
    hour, rest = divmod(timestamp, HOUR)
    minute, rest = divmod(rest, 60 * SECOND)
    second, millisecond = divmod(rest, SECOND)
    return f"{_hour(hour)}{minute:02d}:{second:02d}.{millisecond:03d}Z"


def milliseconds(when: datetime) -> int:
    """Milliseconds since the epoch, rounded down; raises ValueError for a time without a zone."""
    if when.tzinfo is None:
        raise ValueError(f"{when.isoformat()} has no time zone: add one, for instance +00:00")
    return (when - _EPOCH) // MILLISECOND


def to_datetime(timestamp: int) -> datetime:
    """The aware datetime in UTC of milliseconds since the epoch."""
    return _EPOCH + timestamp * MILLISECOND
