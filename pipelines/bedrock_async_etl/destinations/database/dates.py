"""Dates of rows: sets of them, and the SQL conditions that select them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import groupby
from typing import Final

Dates = frozenset[date | None]
"""Dates in UTC; None is that of rows without one."""

DAY: Final = timedelta(days=1)


def date_of(column: str, kind: str) -> str:
    """The SQL of the date that a column's value belongs to; `kind` is the column's type."""
    return column if kind == "DATE" else f"cast({column} at time zone 'UTC' as date)"


def has_date_in(column: str, kind: str, dates: Iterable[date | None]) -> str:
    """The SQL condition on which a column's value belongs to one of the dates.

    It compares the column itself, so that statistics of files and row groups serve.
    """
    known = sorted(day for day in dates if day is not None)
    conditions = [
        f"{column} between date '{first}' and date '{last}'"
        if kind == "DATE"
        else f"({column} >= timestamptz '{first} 00:00:00+00' "
        f"and {column} < timestamptz '{last + DAY} 00:00:00+00')"
        for first, last in _ranges(known)
    ]
    if None in dates:
        conditions.append(f"{column} is null")
    return f"({' or '.join(conditions) or 'false'})"


def _ranges(ascending: Iterable[date]) -> Iterator[tuple[date, date]]:
    """The first and last date of each stretch without a gap."""
    # Within a stretch, dates and their positions grow alike.
    for _, stretch in groupby(enumerate(ascending), lambda each: each[1] - each[0] * DAY):
        days = [day for _, day in stretch]
        yield days[0], days[-1]


def spread(dates: Dates, *, before: int = 0, after: int = 0) -> Dates:
    """The dates, and so many days before and after each."""
    offsets = range(-before, after + 1)
    return frozenset(
        day and day + offset * DAY for day in dates for offset in (offsets if day else (0,))
    )


def in_portions(
    dates: Dates, rows: Mapping[date | None, int], limit: int, *, before: int
) -> list[Dates]:
    """The dates in ascending order, split into portions that read at most `limit` rows each.

    A date reads its own rows and those of the days `before` it. Days that several dates of a
    portion read count once. A portion of a single date may read more.
    """
    portions: list[set[date | None]] = [set()]
    reached: set[date | None] = set()
    size = 0
    for day in sorted(dates, key=lambda day: day or date.min):
        read = spread(frozenset({day}), before=before)
        size += sum(rows.get(each, 0) for each in read - reached)
        if size > limit and portions[-1]:
            portions.append(set())
            reached.clear()
            size = sum(rows.get(each, 0) for each in read)
        portions[-1].add(day)
        reached |= read
    return [frozenset(portion) for portion in portions]
