"""A pass of the scrub over a long history: each row is read again once, whatever is lost."""

import shutil
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import load
from bedrock_async_etl.status import read_status
from bedrock_async_invokes.columns import ScopeReport
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.integration.budgets import SOAK

pytestmark = pytest.mark.integration

THOUSANDS = 100 if SOAK else 15
DAY = timedelta(days=1)
LAG = timedelta(minutes=5)


@pytest.mark.soak
def test_a_pass_takes_as_many_runs_as_there_are_thousands_of_rows(
    bedrock: Control, database: Path
) -> None:
    """Each run makes one call more than it would; every tenth finds its working directory gone."""
    rows, destination = 1_000 * THOUSANDS, DuckDBDestination(database)
    bedrock.populate(ACCOUNT, REGION, rows, NOW - 30 * DAY, NOW - DAY, 1, never_ending_rate=0)
    load(destination)
    [without] = load(destination, {"scrub_calls": 0}).scopes
    scopes: list[ScopeReport] = []
    for run in range(THOUSANDS + 3):
        scopes += load(destination).scopes
        if run % 10 == 0:
            shutil.rmtree(destination.working_directory)
    assert {scope.calls for scope in scopes} == {without.calls + 1}
    assert {scope.rows_new + scope.rows_changed + scope.rows_healed for scope in scopes} == {0}
    places = [scope.scrubbed_through or NOW for scope in scopes]
    [end] = [at for at, (one, other) in enumerate(pairwise(places), 1) if other < one]
    assert THOUSANDS <= end <= 1.1 * THOUSANDS
    submitted = [
        datetime.fromisoformat(row["submitTime"]) for row in bedrock.listing(ACCOUNT, REGION)
    ]
    history = [time for time in submitted if time < submitted[-1] - LAG]
    assert sum(scope.rows_scrubbed for scope in scopes[:end]) == len(history)
    told = read_status(destination, datetime.now(UTC)).worst_of("scrub_runs")
    assert end <= told <= end + 2
