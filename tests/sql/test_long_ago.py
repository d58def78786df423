"""Times that no invocation has, but a listing can."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_invokes.columns import EXTRACT_RUNS, VANISHED_INVOKES
from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.records import to_table
from tests.copies import query
from tests.models import build_only
from tests.sql.given import AS_OF, good_run, store

ACCOUNT, REGION = "111122223333", "us-east-1"
SCOPE = f"arn:aws:bedrock:{REGION}:{ACCOUNT}"


def test_an_hour_before_1970_begins_as_any_other(tmp_path: Path) -> None:
    invocation = {
        "invocationArn": f"{SCOPE}:async-invoke/a",
        "modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-reel-v1:1",
        "status": "Completed",
        "submitTime": "1969-12-31T23:30:00Z",
        "endTime": "1969-12-31T23:45:00Z",
    }
    database = store(
        tmp_path / "given.duckdb",
        async_invokes=to_table(page_of([invocation]), AS_OF),
        extract_runs=pa.Table.from_pylist([good_run(ACCOUNT, REGION)], EXTRACT_RUNS.schema),
        vanished_invokes=VANISHED_INVOKES.schema.empty_table(),
    )
    build_only(DuckDBDestination(database), "outcomes_hourly")
    hour = datetime(1969, 12, 31, 23, tzinfo=UTC)
    assert query(database, "select submit_hour from bedrock_analytics.invocations") == [(hour,)]
    assert query(database, "select end_hour, completed from bedrock_analytics.outcomes_hourly") == [
        (hour, 1)
    ]
