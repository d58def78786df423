"""Random histories: tables that are built by dates are what they are when all is built at once."""

from pathlib import Path

import pytest

from tests.copies import CopyKind
from tests.integration.budgets import SOAK
from tests.model_histories import History, follow

pytestmark = pytest.mark.integration

STEPS = (
    {"duckdb": 1_500, "parquet": 500, "delta": 250, "iceberg": 200}
    if SOAK
    else {"duckdb": 6, "parquet": 3, "delta": 3, "iceberg": 3}
)
"""Of all histories of a kind together."""
STEPS_OF_ONE = 25


@pytest.mark.parametrize("kind", STEPS)
def test_tables_built_by_dates_are_those_built_whole(kind: CopyKind, tmp_path: Path) -> None:
    for seed, before in enumerate(range(0, STEPS[kind], STEPS_OF_ONE)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        steps = min(STEPS_OF_ONE, STEPS[kind] - before)
        follow(History(kind, folder, seed=1_000 + seed), steps)
