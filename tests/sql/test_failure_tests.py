"""The probabilities of windows that failed more often than before."""

import duckdb

from bedrock_async_etl.models.statistics import statistic

SERIES = 40
GIVEN = """
create schema bedrock_analytics;
create table bedrock_analytics.open_submissions (
    account_id varchar, region varchar, model_id varchar,
    submit_time timestamptz, is_vanished boolean
);
create table bedrock_analytics.failure_rates as
select
    'hour' as cohort, '1' as account_id, 'us-east-1' as region, 'model ' || model as model_id,
    timestamptz '2026-03-01 00:00:00+00' + hour * interval 1 hour as submit_hour,
    800 as completed, if(hour < 168, 200, 230) as failed
from range($series) as models (model) cross join range(180) as hours (hour);
"""


def test_a_probability_does_not_depend_on_other_series() -> None:
    """Not in its last digit either: else a build of some dates differs from a build of all."""
    tests = statistic("failure_tests")
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(GIVEN, {"series": SERIES})
        found = connection.sql(
            "select count(*), count(distinct p_value) "
            f"from ({tests}) where level = 'scope' group by window_start, window_hours"
        ).fetchall()
    assert len(found) > 1
    assert found == [(SERIES, 1)] * len(found)
