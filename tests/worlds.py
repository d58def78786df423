"""Simulated worlds, whose true failure rates are known."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bedrock_emulator import Submission

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
"""Submit times are later; a whole hour and date."""
FILTERED: Final = "The input prompt was blocked by our content filters."
SUCCESS_SECONDS, FAILURE_SECONDS = 900, 5
"""Medians; the spread of both is log-normal."""
SIGMA: Final = 0.3

Rates: TypeAlias = "NDArray[np.float64]"
"""Failure rates by hour, 0 to 1."""


def hourly_rates(
    random: np.random.Generator, rate: float, correlation: float, shape: int | tuple[int, ...]
) -> Rates:
    """Rates of hours that differ so that the failures of an hour correlate (beta-binomial)."""
    if not correlation:
        return np.full(shape, rate)
    spread = 1 / correlation - 1
    return random.beta(rate * spread, (1 - rate) * spread, shape)


def jobs(
    random: np.random.Generator,
    model_id: str,
    per_hour: float | NDArray[Any],
    rates: Rates,
    failure_message: str = FILTERED,
) -> Iterator[Submission]:
    """A model's jobs in as many hours from START as there are `rates`.

    `per_hour`: how many to expect, in each hour or in all alike.
    """
    counts = random.poisson(per_hour, len(rates))
    hours = np.repeat(np.arange(len(rates)), counts)
    have_failed = random.random(len(hours)) < rates[hours]
    seconds = np.where(have_failed, FAILURE_SECONDS, SUCCESS_SECONDS)
    seconds = seconds * random.lognormal(0, SIGMA, len(hours))
    submitted = hours + random.random(len(hours))
    for hour, duration, has_failed in zip(submitted, seconds, have_failed, strict=True):
        yield Submission(
            submit_time=START + timedelta(hours=hour),
            duration=timedelta(seconds=duration),
            failure_message=failure_message if has_failed else None,
            model_id=model_id,
        )
