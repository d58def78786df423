"""Of what happened in one moment, what was loaded last counts: the service tells whole seconds."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from tests.builds import build_models
from tests.copies import query
from tests.sql.given import make_database

SCENARIO = "one vanished"
"""It was not listed in the moment in which it had been listed."""


def modelled(path: Path, change: str, asked: str) -> list[tuple[Any, ...]]:
    """What a model holds after a change to what was loaded."""
    database = make_database(path / "given.duckdb", SCENARIO)
    with duckdb.connect(database) as connection:
        connection.execute(change)
    build_models(DuckDBDestination(database))
    return query(database, asked)


@pytest.mark.parametrize(
    ("loaded_last", "is_vanished"), [("vanished_invokes", True), ("async_invokes", False)]
)
def test_an_invocation_is_as_it_was_found_last(
    tmp_path: Path, loaded_last: str, is_vanished: bool
) -> None:
    change = f"update bedrock.{loaded_last} set _dlt_load_id = '2'"
    asked = (
        "select is_open, is_vanished from bedrock_analytics.invocations where status = 'InProgress'"
    )
    assert modelled(tmp_path, change, asked) == [(not is_vanished, is_vanished)]


@pytest.mark.parametrize("other", ["0", "2"])
def test_the_last_outcome_is_of_the_run_that_was_loaded_last(tmp_path: Path, other: str) -> None:
    change = f"""
    insert into bedrock.extract_runs by name
    select * replace (
        'failed' as outcome, '{other}' as _dlt_load_id, run_id || '{other}' as run_id
    )
    from bedrock.extract_runs
    """
    asked = "select last_outcome from bedrock_analytics.scopes"
    expected = "failed" if other > "1" else "ok"
    assert set(modelled(tmp_path, change, asked)) == {(expected,)}
