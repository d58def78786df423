"""Change logs in which rows have several versions, and which of them are current."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from bedrock_async_invokes.columns import ASYNC_INVOKES, EXTRACT_RUNS, VANISHED_INVOKES

LOADED = pa.field("_dlt_load_id", pa.string())


def at(hour: int) -> datetime:
    return datetime(2026, 3, 5, hour, tzinfo=UTC)


def version(arn: str, status: str, hour: int, load: str) -> dict[str, Any]:
    return {
        "invocation_arn": arn,
        "model_arn": "model/m",
        "status": status,
        "submit_time": at(1),
        "submit_date": at(1).date(),
        "observed_at": at(hour),
        "_dlt_load_id": load,
    }


def report(run: str, account: str, region: str, hour: int | None, load: str) -> dict[str, Any]:
    return {
        "run_id": run,
        "account_id": account,
        "region": region,
        "finished_at": hour and at(hour),
        "rows_read": 1,
        "_dlt_load_id": load,
    }


def finding(arn: str, hour: int, load: str) -> dict[str, Any]:
    return {"invocation_arn": arn, "vanished_at": at(hour), "_dlt_load_id": load}


VERSIONS = [
    version("changed", "Completed", 5, "2"),
    version("changed", "InProgress", 3, "3"),
    version("changed", "InProgress", 2, "1"),
    version("read twice at once", "InProgress", 4, "1"),
    version("read twice at once", "Failed", 4, "2"),
    version("read once", "InProgress", 4, "1"),
]
FINDINGS = [finding("a", 3, "2"), finding("a", 7, "1"), finding("a", 5, "3"), finding("b", 3, "2")]
REPORTS = [
    report("one", "1", "us-east-1", None, "1"),
    report("one", "1", "us-east-1", 4, "1"),
    report("one", "1", "us-west-2", 3, "1"),
    report("one", "2", "us-east-1", 3, "1"),
    report("two", "1", "us-east-1", 5, "2"),
    report("two", "1", "us-east-1", 5, "1"),
    report("one", "1", "us-east-1", 2, "3"),
]


def table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema.append(LOADED))


LOGS = {
    "async_invokes": table(VERSIONS, ASYNC_INVOKES.schema),
    "extract_runs": table(REPORTS, EXTRACT_RUNS.schema),
    "vanished_invokes": table(FINDINGS, VANISHED_INVOKES.schema),
}
CURRENT = {
    "async_invokes": LOGS["async_invokes"].take([0, 5, 4]),
    "extract_runs": LOGS["extract_runs"].take([1, 2, 3, 4]),
    "vanished_invokes": LOGS["vanished_invokes"].take([1, 3]),
}
"""Sorted by what tells their rows apart."""
KEYS = {
    "async_invokes": ["invocation_arn"],
    "extract_runs": ["run_id", "account_id", "region"],
    "vanished_invokes": ["invocation_arn"],
}


def in_order(name: str, rows: pa.Table) -> list[dict[str, Any]]:
    """Rows as `CURRENT` has them, with each column's name."""
    ordered: list[dict[str, Any]] = rows.sort_by(
        [(key, "ascending") for key in KEYS[name]]
    ).to_pylist()
    return ordered
