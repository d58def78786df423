"""A machine whose clock is wrong loads right, or says so."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bedrock_async_etl.load import RunResult
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import CopyKind
from tests.whole_load.processes import Order, carried_out

pytestmark = pytest.mark.integration

ROLE = "arn:aws:iam::444455556666:role/reader"
AHEAD = 4_000
"""Seconds: more than a role's session lasts."""


def run(order: Order) -> RunResult:
    result = carried_out(order)
    assert isinstance(result, RunResult)
    return result


def surroundings() -> dict[str, str]:
    """What leads a process to the local Bedrock and to working directories of its own."""
    return {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "DLT_"))}


@pytest.mark.parametrize("kind", ["duckdb", "parquet"])
def test_runs_after_one_whose_clock_was_ahead_go_on_from_each_other(
    bedrock: Control, database: Path, kind: CopyKind
) -> None:
    bedrock.populate(ACCOUNT, REGION, 20, NOW - timedelta(days=1), NOW + timedelta(days=1))
    order = Order("load", kind, database, surroundings())
    assert run(replace(order, seconds_off=AHEAD)).rows_loaded > 0
    bedrock.advance(timedelta(days=1))
    assert run(order).rows_loaded > 0
    assert run(order).rows_loaded == 0


def test_a_clock_past_the_end_of_a_roles_session_is_told(bedrock: Control, database: Path) -> None:
    """It costs the role's scope, and no other."""
    options = {"role_arns": [ROLE]}
    order = Order("load", "duckdb", database, surroundings(), options, seconds_off=AHEAD)
    caller, other = run(order).scopes
    assert (caller.account_id, caller.outcome) == (ACCOUNT, "ok")
    assert other.outcome == "failed"
    assert other.error
    assert other.error.startswith(
        f"New credentials of {ROLE} have expired by this machine's clock: "
    )
