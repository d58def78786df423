"""The interval that a rate is in, as `sql/staging/failure_rates.sql` has it."""

from math import sqrt
from typing import Final

Z: Final = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""


def wilson(failed: int, terminal: int) -> tuple[float, float]:
    """Lower and upper bound at 95 % of the rate that shows as `failed` of 1 or more `terminal`.

    The score interval of Wilson (1927), Journal of the American Statistical Association 22.
    """
    rate = failed / terminal
    shrink = 1 + Z * Z / terminal
    centre = (rate + Z * Z / (2 * terminal)) / shrink
    half_width = Z / shrink * sqrt(rate * (1 - rate) / terminal + Z * Z / (4 * terminal * terminal))
    low = 0.0 if failed == 0 else centre - half_width
    high = 1.0 if failed == terminal else centre + half_width
    return low, high
