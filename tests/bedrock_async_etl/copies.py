"""Copies with given invocations and runs, their models built."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_invokes.columns import EXTRACT_RUNS, VANISHED_INVOKES
from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.records import to_table
from tests.builds import build_models

AS_OF = datetime(2026, 3, 31, 18, tzinfo=UTC)
"""When the last good run was, by the service's clock."""
LOADED_AT = 1_800_000_000
"""When that run was loaded, by the loading machine's clock, which is off."""
ACCOUNT, REGION = "111122223333", "us-east-1"
REEL, RAY = "amazon.nova-reel-v1:1", "luma.ray-v2:0"
BUILT = TemporaryDirectory(prefix="copies-")
"""Databases that this process has built, by a hash of what was given."""


def invocation(
    name: str,
    age: timedelta,
    seconds: float | None = 60,
    status: str = "Completed",
    model: str = REEL,
) -> dict[str, Any]:
    """One that was submitted so long before AS_OF and took so many seconds; None is still open."""
    submitted = AS_OF - age
    summary = {
        "invocationArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/{name}",
        "modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/{model}",
        "status": status if seconds is not None else "InProgress",
        "submitTime": iso(submitted),
    }
    if seconds is not None:
        summary["endTime"] = iso(submitted + timedelta(seconds=seconds))
    return summary


def iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def report(
    outcome: str = "ok", ago: timedelta = timedelta(0), region: str = REGION, error: str = ""
) -> dict[str, Any]:
    """A run of a scope so long before the newest."""
    return {
        "run_id": f"{ago}",
        "account_id": ACCOUNT,
        "region": region,
        "started_at": AS_OF - ago,
        "finished_at": AS_OF - ago,
        "outcome": outcome,
        "error": error or None,
        "open_invocations": 0,
        "submitted_through": AS_OF - ago if outcome == "ok" else None,
        "_dlt_load_id": str(LOADED_AT - ago.total_seconds()),
    }


def store(
    path: Path,
    invocations: Sequence[dict[str, Any]],
    runs: Sequence[dict[str, Any]] | None = None,
    vanished: Iterable[str] = (),
) -> DuckDBDestination:
    """A database as dlt makes it, without models."""
    found = [
        {"invocation_arn": each["invocationArn"], "vanished_at": AS_OF, "_dlt_load_id": "1"}
        for each in invocations
        if each["invocationArn"].rpartition("/")[2] in vanished
    ]
    loaded = pa.field("_dlt_load_id", pa.string())
    rows = to_table(page_of(list(invocations)), AS_OF)
    tables = {
        "async_invokes": rows.append_column(loaded, pa.repeat("1", rows.num_rows)),
        "extract_runs": pa.Table.from_pylist(
            [report()] if runs is None else list(runs), EXTRACT_RUNS.schema.append(loaded)
        ),
        "vanished_invokes": pa.Table.from_pylist(found, VANISHED_INVOKES.schema.append(loaded)),
    }
    with duckdb.connect(path) as connection:
        connection.execute("create schema bedrock")
        for name, table in tables.items():
            connection.register("given", table)
            connection.execute(f"create table bedrock.{name} as from given")
    return DuckDBDestination(path)


def modelled(
    path: Path,
    invocations: Sequence[dict[str, Any]],
    runs: Sequence[dict[str, Any]] | None = None,
    vanished: Iterable[str] = (),
) -> DuckDBDestination:
    """A database as `run` makes it; what was given before is not built again."""
    given = json.dumps([invocations, runs, vanished := list(vanished)], default=str)
    built = Path(BUILT.name, hashlib.sha256(given.encode()).hexdigest())
    if not built.exists():
        unfinished = built.with_suffix(".unfinished")
        build_models(store(unfinished, invocations, runs, vanished))
        unfinished.rename(built)
    shutil.copyfile(built, path)
    return DuckDBDestination(path)
