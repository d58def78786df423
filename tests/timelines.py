"""Seeded timelines of the local Bedrock as Arrow tables, without a load in between."""

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_invokes.columns import EXTRACT_RUNS, VANISHED_INVOKES
from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.records import to_table
from bedrock_emulator import Control, Emulator
from tests.builds import build_models
from tests.conftest import NOW
from tests.sql.given import good_run, store

SCOPES = [
    (account, region)
    for account in ("111122223333", "444455556666")
    for region in ("us-east-1", "eu-west-1")
]


def timeline(rows: int, span: timedelta, *moments: datetime) -> list[dict[str, pa.Table]]:
    """What a load's tables hold at each moment (ascending): `rows` over a `span` up to NOW."""
    with Emulator(min(moments)) as emulator:
        for seed, scope in enumerate(SCOPES):
            emulator.control.populate(*scope, rows // len(SCOPES), NOW - span, NOW, seed)
        return [_tables(emulator.control, moment) for moment in moments]


def modelled(path: Path, rows: int, span: timedelta) -> DuckDBDestination:
    """A database with such a timeline at NOW, its models built."""
    [tables] = timeline(rows, span, NOW)
    destination = DuckDBDestination(store(path, **tables))
    build_models(destination)
    return destination


def _tables(bedrock: Control, moment: datetime) -> dict[str, pa.Table]:
    bedrock.set_clock(moment)
    listed = [to_table(page_of(bedrock.listing(*scope)), moment) for scope in SCOPES]
    runs = [good_run(*scope, moment) for scope in SCOPES]
    return {
        "async_invokes": pa.concat_tables(listed),
        "extract_runs": pa.Table.from_pylist(runs, EXTRACT_RUNS.schema),
        "vanished_invokes": VANISHED_INVOKES.schema.empty_table(),
    }
