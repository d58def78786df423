"""Sets of dates, cut in portions."""

from datetime import date, timedelta

import pytest

from bedrock_async_etl.destinations.database.dates import DAY, Dates, in_portions

FIRST = date(2026, 3, 1)


def days(*numbers: int) -> Dates:
    return frozenset(FIRST + timedelta(days=number) for number in numbers)


@pytest.mark.parametrize(
    ("limit", "before", "portions"),
    [
        (40, 0, [days(0, 1, 2, 3)]),
        (20, 0, [days(0, 1), days(2, 3)]),
        (29, 0, [days(0, 1), days(2, 3)]),
        (1, 0, [days(0), days(1), days(2), days(3)]),
        # The day before is read once by a portion.
        (40, 1, [days(0, 1, 2, 3)]),
        (30, 1, [days(0, 1, 2), days(3)]),
        (10, 1, [days(0), days(1), days(2), days(3)]),
    ],
)
def test_a_portion_reads_so_many_rows_at_most(
    limit: int, before: int, portions: list[Dates]
) -> None:
    rows: dict[date | None, int] = {FIRST + number * DAY: 10 for number in range(4)}
    assert in_portions(days(0, 1, 2, 3), rows, limit, before=before) == portions


def test_rows_without_a_date_come_first() -> None:
    rows = {None: 5, FIRST: 5}
    assert in_portions(frozenset({FIRST, None}), rows, 5, before=3) == [{None}, {FIRST}]
