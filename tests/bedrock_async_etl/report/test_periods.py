"""Periods are made of whole bins."""

import random
from itertools import pairwise

import pytest

from bedrock_async_etl.report.periods import DAY_MS, HOUR_MS, hour_parts, periods

AS_OF = 1_774_000_000_000


@pytest.mark.parametrize("seed", range(8))
def test_no_bin_is_in_a_period_by_half(seed: int) -> None:
    """Whenever the newest read was, on the hour, too, and whatever the days and steps are."""
    chance = random.Random(seed)
    as_of = AS_OF + (0 if seed == 0 else chance.randrange(DAY_MS))
    days = chance.choice([1, 3, 7, 10, 30, 45, 90, 400])
    chosen = periods(days, as_of)
    begins = [begin for each in chosen for begin in (each.from_ms, each.before_ms)]
    parts = list(hour_parts(chosen, as_of, chance.choice([1, 7, 28])))
    for kind in ("counted", "timed"):
        within: dict[int, set[tuple[bool, ...]]] = {}
        for part in parts:
            start = part.hour_part // 2 * HOUR_MS + part.hour_part % 2 * (as_of % HOUR_MS)
            within.setdefault(getattr(part, kind), set()).add(
                tuple(start >= begin for begin in begins)
            )
        assert {len(each) for each in within.values()} == {1}
    assert all(part.timed <= part.counted for part in parts)
    assert all(each.hour_part < after.hour_part for each, after in pairwise(parts))


def test_a_period_begins_with_its_first_bin() -> None:
    for minutes in (0, 37):
        as_of = AS_OF // HOUR_MS * HOUR_MS + minutes * 60_000
        chosen = periods(30, as_of)
        bins = {part.counted for part in hour_parts(chosen, as_of, 1)}
        assert {period.first_bin for period in chosen} <= bins


def test_bins_are_as_long_as_the_steps_of_the_charts() -> None:
    as_of = AS_OF // DAY_MS * DAY_MS + HOUR_MS
    timed = {part.timed for part in hour_parts(periods(30, as_of), as_of, 1)}
    longest = periods(30, as_of)[-1]
    ages = sorted(
        (as_of - bin_at // 2 * HOUR_MS) / HOUR_MS for bin_at in timed if bin_at >= longest.first_bin
    )
    lengths = [after - before for before, after in pairwise(ages)]
    assert lengths[:23] == [1] * 23
    assert set(lengths) == {1, 5, 6, 23, 24}
