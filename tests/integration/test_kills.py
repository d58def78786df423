"""SIGKILL at random moments, and as something is written: the next run makes all exact."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.files.urls import is_s3
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.builds import build_models, run_checks
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import CopyKind, assert_exact_copy, modelled_rows, query
from tests.growth import Footprint
from tests.integration.budgets import KILLS, cases
from tests.integration.places import LAKES
from tests.kills.harness import Harness
from tests.kills.sites import Site

pytestmark = pytest.mark.integration

SEED = os.environ.get("SEED") or str(random.randrange(10**6))

SLICE_ROWS = 1_000
ROWS_NEAR_THE_WATERMARK = 100


@pytest.fixture
def filled(bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__SLICE_ROWS", str(SLICE_ROWS))
    bedrock.populate(ACCOUNT, REGION, 6_000, NOW - timedelta(days=5), NOW + timedelta(days=5), 1)
    return bedrock


def start_run(database: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bedrock_async_etl", "run", "--database", str(database)]
    return subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("kind", "lake_url"),
    cases(
        [*product(["duckdb"], ("local", "s3")), *LAKES],
        [("duckdb", "local"), ("parquet", "local"), ("delta", "local"), ("iceberg", "local")],
    ),
    indirect=["lake_url"],
)
def test_whatever_is_killed_nothing_is_lost_or_doubled(
    kind: CopyKind,
    filled: Control,
    database: Path,
    lake_url: str,
    record_property: Callable[[str, object], None],
) -> None:
    """In a database, in lakes of either kind, in exports; on this disk and on S3."""
    site = Site(kind, database.parent / "copies" / "copy.duckdb", lake_url)
    site.database.parent.mkdir()
    name = f"{kind}, {'S3' if is_s3(lake_url) else 'disk'}"
    harness = Harness(site, filled, f"{SEED} {name}")
    try:
        harness.kill(KILLS)
    finally:
        record_property(f"kills: {name}", dict(harness.tally))
    assert harness.stories == [], SEED


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
    [scope] = result.scopes
    assert scope.rows_read - scope.rows_scrubbed <= listed - loaded + ROWS_NEAR_THE_WATERMARK


@pytest.mark.parametrize("moment", ["progress is put into the state", "a package is extracted"])
def test_what_a_killed_run_extracted_is_gone_after_the_next(
    moment: str, filled: Control, database: Path
) -> None:
    load(DuckDBDestination(database))
    folder = DuckDBDestination(database).working_directory
    before = Footprint.of(folder)
    filled.advance(timedelta(days=1))
    struck = [sys.executable, "-m", "tests.kills.struck", moment, "1", "before", "--"]
    run = [*struck, "run", "--database", str(database)]
    assert subprocess.run(run, cwd=Path(__file__).parents[2]).returncode == -signal.SIGKILL
    assert Footprint.of(folder).files > before.files
    load(DuckDBDestination(database))
    load(DuckDBDestination(database))
    assert Footprint.of(folder).files == before.files


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
    command = [sys.executable, "-m", "bedrock_async_etl", "models", "--database", str(database)]
    process = subprocess.Popen([*command, "--models", str(own)], cwd=Path(__file__).parents[2])
    with pipe.open("w"):  # Opens once the model reads it.
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert modelled_rows(database) == before
    build_models(DuckDBDestination(database))
    assert modelled_rows(database) != before
    assert {check.violations for check in run_checks(DuckDBDestination(database))} == {0}
