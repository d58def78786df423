"""Times that no invocation has, but a listing can."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bedrock_async_etl.copies import AS_OF, invocation, store
from tests.builds import build_only
from tests.copies import query


def test_hours_before_1970_begin_as_any_other(tmp_path: Path) -> None:
    submitted = {
        "a": (datetime(1969, 12, 30, 23, 30, tzinfo=UTC), timedelta(minutes=15)),
        "b": (datetime(1969, 12, 31, 22, 30, tzinfo=UTC), timedelta(minutes=165)),
    }
    listed = [
        invocation(name, AS_OF - at, latency.total_seconds())
        for name, (at, latency) in submitted.items()
    ]
    destination = store(tmp_path / "given.duckdb", listed)
    database = destination.database
    build_only(destination, "outcomes_hourly", "in_flight_hourly")
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
