"""How much is tried of what is random or repeated: minutes for a change, hours with SOAK set."""

import os
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, Final

import pytest
from _pytest.mark import ParameterSet

SOAK: Final = "SOAK" in os.environ
STEPS: Final = int(os.environ.get("STEPS", "20000" if SOAK else "60"))
"""Steps of random histories."""
KILLS: Final = int(os.environ.get("KILLS", "50" if SOAK else "1"))
"""Kills per destination and kind of storage."""
RUNS: Final = int(os.environ.get("RUNS", "30" if SOAK else "5"))
"""Loads in a row, each compared with the whole listing."""
PUBLICATIONS: Final = int(os.environ.get("PUBLICATIONS", "50" if SOAK else "2"))
"""Runs that publish a copy, beside readers of it."""


def cases(every: Iterable[tuple[Any, ...]], kept: Sequence[tuple[Any, ...]]) -> list[ParameterSet]:
    """Parameters of a test: each case is tried in a soak, and those `kept` for each change."""
    return [pytest.param(*case, marks=() if case in kept else pytest.mark.soak) for case in every]


def crossed(one: Sequence[Any], other: Sequence[Any]) -> list[ParameterSet]:
    """Parameters of a test: every pair in a soak, and for each change every value in some pair."""
    places = range(max(len(one), len(other)))
    return cases(product(one, other), [(one[n % len(one)], other[n % len(other)]) for n in places])
