"""A run whose models have to wait for the next one."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.metrics import find_metrics
from bedrock_async_etl.run import Run, run_once
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy, query
from tests.holders import held

OTHER_REGION = "eu-west-1"


@pytest.fixture
def listed(bedrock: Control) -> Control:
    bedrock.populate(ACCOUNT, REGION, 400, NOW - timedelta(days=3), NOW)
    return bedrock


def run_while_read(database: Path, regions: list[str]) -> Run:
    """A run whose rows are loaded when somebody opens the file and keeps it open."""
    destination = DuckDBDestination(database, wait="0s")
    with ExitStack() as readers:
        return run_once(
            destination,
            {"regions": regions},
            None,
            builds_models=True,
            log_format="text",
            metrics=find_metrics(destination),
            on_loaded=lambda _: readers.enter_context(held(database)) and None,
        )


def test_models_that_a_reader_keeps_from_being_built_are_left_to_the_next_run(
    listed: Control, database: Path
) -> None:
    run = run_while_read(database, [REGION])
    assert run.exit_code == 75
    assert run.refreshed
    assert run.refreshed.error
    assert "is in use by PID " in run.refreshed.error
    assert run.refreshed.error.endswith(
        "The rows are loaded; the next run builds the models and checks them."
    )
    assert_exact_copy(database, listed)
    assert query(database, "select count(*) from duckdb_tables() where schema_name ~ 'analyt'") == [
        (0,)
    ]


def test_scopes_that_failed_are_more_than_models_that_wait(listed: Control, database: Path) -> None:
    listed.faults(ACCOUNT, OTHER_REGION, access_denied=True)
    assert run_while_read(database, [REGION, OTHER_REGION]).exit_code == 3
