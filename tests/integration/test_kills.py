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

from pipelines.checks import run_checks
from pipelines.databases import DuckDBDestination
from pipelines.load import load
from pipelines.models import build_models
from sources.bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy, modelled_rows, query

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


@pytest.mark.parametrize("models_before", ["invocations", "failure_spikes"])
def test_a_kill_in_the_middle_of_building_leaves_the_models_as_they_were(
    models_before: str, filled: Control, database: Path, tmp_path: Path
) -> None:
    """A model that waits for a pipe holds the build up after another model has been rebuilt."""
    load(DuckDBDestination(database))
    build_models(DuckDBDestination(database))
    before = modelled_rows(database)
    filled.advance(timedelta(days=1))
    load(DuckDBDestination(database))
    pipe, own = tmp_path / "pipe", tmp_path / "own"
    os.mkfifo(pipe)
    own.mkdir()
    (own / "waits.sql").write_text(
        f"select * from read_csv('{pipe}', header = false, columns = {{'a': 'integer'}})\n"
        f"where a > (select count(*) from bedrock_analytics.{models_before})"
    )
    command = [sys.executable, "-m", "pipelines", "models", "--database", str(database)]
    process = subprocess.Popen([*command, "--models", str(own)], cwd=Path(__file__).parents[2])
    with pipe.open("w"):  # Opens once the model reads it.
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert modelled_rows(database) == before
    build_models(DuckDBDestination(database))
    assert modelled_rows(database) != before
    assert {check.violations for check in run_checks(DuckDBDestination(database))} == {0}
