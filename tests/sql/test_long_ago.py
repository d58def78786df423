"""Times that no invocation has, but a listing can."""

from datetime import UTC, datetime, timedelta
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


def invocation(name: str, submitted: str, ended: str) -> dict[str, str]:
    return {
        "invocationArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/{name}",
        "modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-reel-v1:1",
        "status": "Completed",
        "submitTime": submitted,
        "endTime": ended,
    }


def test_hours_before_1970_begin_as_any_other(tmp_path: Path) -> None:
    listed = [
        invocation("a", "1969-12-30T23:30:00Z", "1969-12-30T23:45:00Z"),
        invocation("b", "1969-12-31T22:30:00Z", "1970-01-01T01:15:00Z"),
    ]
    database = store(
        tmp_path / "given.duckdb",
        async_invokes=to_table(page_of(listed), AS_OF),
        extract_runs=pa.Table.from_pylist([good_run(ACCOUNT, REGION)], EXTRACT_RUNS.schema),
        vanished_invokes=VANISHED_INVOKES.schema.empty_table(),
    )
    build_only(DuckDBDestination(database), "outcomes_hourly", "in_flight_hourly")
    hours = [
        datetime(1969, 12, 30, 23, tzinfo=UTC) + timedelta(hours=number)
        for number in (0, 23, 24, 25, 26)
    ]
    assert query(
        database, "select submit_hour from bedrock_analytics.invocations order by all"
    ) == [
        (hours[0],),
        (hours[1],),
    ]
    assert query(
        database, "select end_hour, completed from bedrock_analytics.outcomes_hourly order by all"
    ) == [(hours[0], 1), (hours[4], 1)]
    assert query(
        database,
        "select hour, submitted, ended, in_flight_peak, in_flight_avg "
        "from bedrock_analytics.in_flight_hourly order by all",
    ) == [
        (hours[0], 1, 1, 1, 0.25),
        (hours[1], 1, 0, 1, 0.5),
        (hours[2], 0, 0, 1, 1),
        (hours[3], 0, 0, 1, 1),
        (hours[4], 0, 1, 1, 0.25),
    ]
