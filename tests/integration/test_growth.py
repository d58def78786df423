"""Hundreds of runs leave no more than ten do: nothing but the copy grows with time."""

import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.lake import LakeDestination, compaction
from bedrock_async_etl.destinations.lake.compaction import compact
from bedrock_emulator import Control
from tests.copies import assert_exact_copy
from tests.growth import INTERVAL, Footprint, run_again, state_file
from tests.integration.budgets import SOAK

pytestmark = pytest.mark.integration

FEW, MANY = 10, 300 if SOAK else 30


def assert_stays_small(bedrock: Control, destination: Destination) -> None:
    """The working directory and the state are as large as after a few runs."""
    folder = destination.working_directory
    run_again(bedrock, destination, FEW)
    before, state = Footprint.of(folder), state_file(destination).stat().st_size
    run_again(bedrock, destination, MANY - FEW)
    Footprint.of(folder).assert_no_larger_than(before)
    assert state_file(destination).stat().st_size <= state * 1.1


@pytest.mark.soak
def test_beside_a_database(bedrock: Control, database: Path) -> None:
    assert_stays_small(bedrock, DuckDBDestination(database))


@pytest.mark.soak
def test_in_a_lake_that_its_runs_compact(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default, on the schedule of `INTERVAL`: replaced files stay for an hour."""
    now, lake = time.time(), LakeDestination(str(database.with_name("lake")), "parquet")
    monkeypatch.setattr(compaction, "time", SimpleNamespace(time=lambda: now))
    files: list[int] = []
    for _ in range(MANY):
        run_again(bedrock, lake, 1)
        now += INTERVAL.total_seconds()
        lake.compact_if_due()
        files.append(Footprint.of(database.with_name("lake")).files)
    assert max(files) < 1.25 * files[FEW - 1]
    bedrock.advance(timedelta(hours=1))
    assert_exact_copy(lake, bedrock)


@pytest.mark.soak
def test_in_a_lake_that_is_compacted(bedrock: Control, database: Path) -> None:
    lake = LakeDestination(str(database.with_name("lake")), "parquet")
    run_again(bedrock, lake, FEW)
    compact(lake, 0)
    before = Footprint.of(database.with_name("lake")).files
    assert_stays_small(bedrock, lake)
    compact(lake, 0)
    assert Footprint.of(database.with_name("lake")).files == before
    bedrock.advance(timedelta(hours=1))
    assert_exact_copy(lake, bedrock)
