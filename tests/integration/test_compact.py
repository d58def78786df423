"""A lake of many small files becomes one of few, and nobody notices."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake.compaction import compact
from bedrock_async_etl.destinations.lake.formats import Compaction
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy
from tests.integration.conftest import LOGS

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("lake", LOGS, indirect=True, ids="-".join),
]

RUNS = 5
HOUR = 3_600.0


@pytest.fixture
def lake(bedrock: Control, lake: LakeDestination) -> LakeDestination:
    """Of as many small files as there were runs."""
    bedrock.populate(ACCOUNT, REGION, 2_000, NOW - timedelta(days=2), NOW + timedelta(days=9), 1)
    for _ in range(RUNS):
        load(lake)
        bedrock.advance(timedelta(hours=2))
    return lake


def versions(lake: LakeDestination) -> list[tuple[object, ...]]:
    """Each version of each invocation, once."""
    with lake.connection() as connection:
        log = connection.sql("from bedrock_log.async_invokes")
        return log.distinct().order("all").fetchall()


def test_no_version_is_lost_and_progress_goes_on(bedrock: Control, lake: LakeDestination) -> None:
    before = versions(lake)
    assert_is_fewer(compact(lake, 0))
    assert versions(lake) == before
    load(lake)
    assert_exact_copy(lake, bedrock)
    assert load(lake).rows_loaded == 0


def test_files_that_are_open_stay_until_their_grace_is_over(
    bedrock: Control, lake: LakeDestination
) -> None:
    before, paths = versions(lake), lake.files.glob("bedrock/extract_runs/*.parquet")
    assert_is_fewer(compact(lake, HOUR))
    for path in paths:
        assert lake.files.filesystem.exists(path)
    assert versions(lake) == before
    assert [each.removed for each in compact(lake, HOUR)][1:] == [0] * 4
    assert [each.removed for each in compact(lake, 0)][1:] == [RUNS, 0, RUNS - 1, RUNS - 1]
    assert versions(lake) == before
    load(lake)
    assert_exact_copy(lake, bedrock)


def test_a_run_compacts_by_itself_and_readers_find_every_version(
    bedrock: Control, lake: LakeDestination
) -> None:
    due = replace(lake, compact_after=RUNS)
    before, paths = versions(lake), lake.files.glob("bedrock/**/*.parquet")
    assert due.compact_if_due() is None
    load(due)
    done = due.compact_if_due()
    assert done
    assert done.error is None
    for path in paths:
        assert lake.files.filesystem.exists(path)
    assert set(before) <= set(versions(lake))
    assert_exact_copy(lake, bedrock)
    assert due.compact_if_due() is None


def assert_is_fewer(done: list[Compaction]) -> None:
    invocations, runs, _, loads, states = done
    assert invocations.files_after < invocations.files_before
    assert (runs.files_before, runs.files_after, runs.rows_rewritten) == (RUNS, 1, RUNS)
    assert (loads.files_before, loads.files_after) == (RUNS, 1)
    assert (states.files_before, states.files_after) == (RUNS, 1)
