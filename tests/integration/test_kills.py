"""SIGKILL at random moments: the next run makes the copy exact."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.destinations import DuckDBDestination
from pipelines.load import load
from sources.bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy, query

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("KILLS", "25"))
"""Kills per test; a longer soak sets more."""

SLICE_ROWS = 1_000
ROWS_NEAR_THE_WATERMARK = 100


@pytest.fixture
def filled(bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__SLICE_ROWS", str(SLICE_ROWS))
    bedrock.populate(ACCOUNT, REGION, 6_000, NOW - timedelta(days=5), NOW + timedelta(days=5), 1)
    return bedrock


def start_run(database: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipelines", "run", "--database", str(database)]
    return subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_between(process: subprocess.Popen[bytes], first: float, last: float) -> bool:
    """Kill at a random moment; False where the process had ended by then."""
    time.sleep(random.uniform(first, last))
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def test_a_first_load_killed_at_any_moment_is_made_whole(filled: Control, database: Path) -> None:
    killed = 0
    for _ in range(KILLS):
        database.unlink(missing_ok=True)
        killed += kill_between(start_run(database), 0.7, 3.0)
        assert load(DuckDBDestination(database)).exit_code == 0
        assert_exact_copy(database, filled)
    assert killed > KILLS // 2


def test_an_increment_killed_at_any_moment_is_made_whole(filled: Control, database: Path) -> None:
    load(DuckDBDestination(database))
    killed = 0
    for _ in range(KILLS):
        filled.advance(timedelta(hours=2))
        killed += kill_between(start_run(database), 0.7, 2.0)
        assert load(DuckDBDestination(database)).exit_code == 0
        assert_exact_copy(database, filled)
    assert killed > KILLS // 2


def test_a_killed_backfill_keeps_the_slices_it_loaded(
    filled: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the database is not read again, but for the rows near the watermark."""
    filled.populate(ACCOUNT, REGION, 40_000, NOW - timedelta(days=50), NOW - timedelta(days=5), 2)
    monkeypatch.setenv("SOURCES__BEDROCK_ASYNC_INVOKES__CONCURRENCY", "1")
    filled.faults(latency_seconds=0.05)
    process = start_run(database)
    while sum(counters["rows_served"] for counters in filled.calls().values()) < 25_000:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    filled.clear_faults()
    listed = len(filled.listing(ACCOUNT, REGION))
    [(loaded,)] = query(database, "select count(*) from bedrock.async_invokes")
    result = load(DuckDBDestination(database))
    assert_exact_copy(database, filled)
    assert 0 < loaded < listed
    assert result.scopes[0].rows_read <= listed - loaded + ROWS_NEAR_THE_WATERMARK
