"""Runs over a moving clock, each compared with the whole listing, under each fault."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy
from tests.integration.budgets import RUNS

pytestmark = pytest.mark.integration

FAULTS: dict[str, dict[str, Any]] = {
    "throttling": {"throttle_per_second": 20.0, "throttle_burst": 5},
    "server errors": {"error_500_rate": 0.1, "error_503_rate": 0.1},
    "resets": {"reset_rate": 0.2},
    "cut bodies": {"cut_body_rate": 0.2},
    "hanging": {"hang_rate": 0.05, "hang_seconds": 30.0},
    "empty pages": {"empty_page_rate": 0.4},
    "short pages": {"short_pages": True},
    "expiring tokens": {"token_ttl_calls": 2, "short_pages": True},
    "late visibility": {"late_visibility_seconds": 290.0},
    "inclusive bounds": {"after_inclusive": True, "before_inclusive": True},
    "unknown members": {"unknown_members": True},
}
TOGETHER: dict[str, Any] = {
    "throttle_per_second": 50.0,
    "throttle_burst": 10,
    "error_500_rate": 0.04,
    "error_503_rate": 0.04,
    "reset_rate": 0.04,
    "cut_body_rate": 0.04,
    "empty_page_rate": 0.2,
    "short_pages": True,
    "token_ttl_calls": 20,
    "late_visibility_seconds": 290.0,
    "after_inclusive": True,
    "unknown_members": True,
}


@pytest.mark.parametrize("faults", [{}, TOGETHER], ids=["none", "all together"])
def test_each_of_many_runs_ends_as_an_exact_copy(
    bedrock: Control, database: Path, faults: dict[str, Any]
) -> None:
    run_and_compare(bedrock, database, faults, runs=RUNS)


@pytest.mark.soak
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_under_each_fault_alone_every_run_ends_as_an_exact_copy(
    bedrock: Control, database: Path, faults: dict[str, Any]
) -> None:
    run_and_compare(bedrock, database, faults, runs=4)


def run_and_compare(bedrock: Control, database: Path, faults: dict[str, Any], *, runs: int) -> None:
    bedrock.populate(ACCOUNT, REGION, 6_000, NOW - timedelta(days=5), NOW + timedelta(days=2), 1)
    bedrock.faults(**faults)
    for run in range(runs):
        result = load(DuckDBDestination(database), slice_rows=1_500)
        assert [scope.error for scope in result.scopes] == [None]
        assert_exact_copy(database, bedrock)
        bedrock.advance(timedelta(minutes=7 * (run % 5), seconds=run))
