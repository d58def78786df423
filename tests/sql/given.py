"""Databases from `given.csv` and `runs.csv`: a few invocations, and the runs that saw them."""

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bedrock_async_invokes.columns import EXTRACT_RUNS, VANISHED_INVOKES
from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.records import to_table

HERE = Path(__file__).parent
AS_OF = datetime(2026, 3, 5, 12, tzinfo=UTC)
"""When the scopes were read, where `runs.csv` says nothing else."""
VANISHED_AT = datetime(2026, 3, 5, 9, 15, tzinfo=UTC)
"""When the invocations called `vanished` and `returned` were not listed."""
FAULTS = {
    "content_filter_output": "content",
    "content_filter_input": "client",
    "storage_access": "client",
    "credentials": "client",
    "validation": "client",
    "unsupported_model": "client",
    "capacity": "service",
    "internal_error": "service",
    "aborted": "service",
    "timeout": "service",
}
"""Expected fault of each failure category; `unknown` has none."""

Line = dict[str, str]


def read_csv(path: Path) -> list[Line]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


GIVEN, RUNS = read_csv(HERE / "given.csv"), read_csv(HERE / "runs.csv")
SCENARIOS = ["no rows at all", *dict.fromkeys(line["scenario"] for line in GIVEN)]


def make_database(path: Path, scenario: str) -> Path:
    """A database with the tables that a load makes, and the rows of a scenario."""
    return store(path, **make_tables(scenario))


def make_tables(scenario: str) -> dict[str, pa.Table]:
    """What a load makes of the rows of a scenario, but for dlt's column."""
    lines = [line for line in GIVEN if line["scenario"] == scenario]
    summaries = [
        summary(line, number) for line in lines for number in range(1, int(line["count"]) + 1)
    ]
    scopes = sorted({(line["account"], line["region"]) for line in lines if line["account"]})
    runs = [run(line) for line in RUNS if line["scenario"] == scenario] or [
        good_run(account, region) for account, region in scopes
    ]
    arns = [each["invocationArn"] for each in summaries]
    vanished = [
        {"invocation_arn": arn, "vanished_at": VANISHED_AT}
        for arn in arns
        if "vanished" in arn or "returned" in arn
    ]
    observed_at = VANISHED_AT if any("vanished" in arn for arn in arns) else AS_OF
    return {
        "async_invokes": to_table(page_of(summaries), observed_at),
        "extract_runs": pa.Table.from_pylist(runs, EXTRACT_RUNS.schema),
        "vanished_invokes": pa.Table.from_pylist(vanished, VANISHED_INVOKES.schema),
    }


def store(path: Path, **tables: pa.Table) -> Path:
    """A database with these tables in the dataset `bedrock`, as dlt would have made them."""
    with duckdb.connect(path) as connection:
        connection.execute("create schema bedrock")
        for name, table in tables.items():
            connection.register("given", table)
            connection.execute(
                f"create table bedrock.{name} as select *, '1' as _dlt_load_id from given"
            )
    return path


def time(text: str) -> datetime | None:
    return datetime.fromisoformat(f"2026-{text}+00:00") if text else None


def summary(line: Line, number: int) -> dict[str, Any]:
    """An invocation as ListAsyncInvokes has it."""
    account, region = line["account"], line["region"]
    owner = f"{account}:" if "/" in line["model"] else ":foundation-model/"
    scope = f"arn:aws:bedrock:{region}:{account}:" if account else ""
    told = {
        "invocationArn": f"{scope}async-invoke/{line['id']}{number}",
        "modelArn": f"arn:aws:bedrock:{region}:{owner}{line['model']}",
        "status": line["status"],
        "failureMessage": line["message"],
        "submitTime": iso(line["submit"]),
        "endTime": iso(line["end"]),
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://renders/a/b"}},
    }
    return {name: value for name, value in told.items() if value}


def iso(text: str) -> str:
    return f"2026-{text.replace(' ', 'T')}Z" if text else ""


def run(line: Line) -> dict[str, Any]:
    return {
        "run_id": line["finished"],
        "account_id": line["account"],
        "region": line["region"],
        "started_at": time(line["finished"]),
        "finished_at": time(line["finished"]),
        "outcome": line["outcome"],
        "error": line["error"] or None,
        "submitted_through": time(line["submitted_through"]),
    }


def good_run(account: str, region: str, at: datetime = AS_OF) -> dict[str, Any]:
    return {
        "run_id": "good",
        "account_id": account,
        "region": region,
        "started_at": at,
        "finished_at": at,
        "outcome": "ok",
        "submitted_through": at,
    }


def as_text(rows: Iterable[Sequence[Any]]) -> list[tuple[str, ...]]:
    """Rows as `expected/*.csv` has them: nothing for null, times without year and zone."""
    return [tuple(map(cell, row)) for row in rows]


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return str(value).removeprefix("2026-")
