"""A statistic of a shipped model, over rows of one's own."""

import re
from pathlib import Path

import duckdb
import pytest

from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.models.sql_files import read_file
from bedrock_async_etl.models.statistics import statistic
from tests.sql.given_rates import FORMULA

SUBJECTS = """
select
    ['of ours'] as cohorts, null as account_id, null as region, 'a' as model_id,
    null as submit_date,
    if(latency_ms is not null, [latency_ms], null) as latencies_ms, age_ms, is_open
from (
    values (1000, null, false), (2000, null, false), (null, 2000, true), (null, 2500, false),
    (3000, null, false)
) as given (latency_ms, age_ms, is_open)
"""


def test_a_statistic_is_of_the_rows_that_are_put_in() -> None:
    survivals = statistic("survivals", subjects=SUBJECTS)
    with duckdb.connect() as connection:
        found = connection.sql(
            f"select cohort, ended, censored, still_open, p50, p95, longest from ({survivals})"
        ).fetchall()
    assert found == [("of ours", 3, 2, 1, 3.0, 3.0, 3.0)]


def test_an_interval_is_exact_at_none_and_at_all() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "create table given as select *, 60 as ms, 0 as hour from (values "
            "('none', 'completed', 10), ('all', 'failed', 10)) as given (model_id, outcome, count)"
        )
        none, all_of_them = connection.sql(
            f"select failure_rate_low, failure_rate_high from ({FORMULA}) order by model_id desc"
        ).fetchall()
    assert (none[0], all_of_them[1]) == (0, 1)
    assert (none[1], all_of_them[0]) == pytest.approx((0.2775327998628892, 0.7224672001371107))


def test_a_part_that_a_model_does_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match="no part `subject`"):
        statistic("survivals", subject=SUBJECTS)


def test_a_model_may_be_a_statistic_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "ours.sql"
    path.write_text(
        "-- One row.\n-- p50: the middle\n-- computed by: survivals\n"
        f"with\n\nsubjects as ({SUBJECTS}\n)\n\nselect * from subjects\n"
    )
    file = read_file(path)
    with duckdb.connect() as connection:
        found = connection.sql(f"select cohort, ended, p50 from ({file.text})").fetchall()
    assert found == [("of ours", 3, 3.0)]
    assert file.reads == set()
    assert file.description == "One row."
    assert file.dated_by is None
    assert (file.columns["p50"], file.columns["ended"]) == (
        "the middle",
        "terminal invocations with an end_time",
    )


@pytest.mark.parametrize(
    ("formula", "select", "reason"),
    [
        ("survivals", "select 1", "it has to end with `select * from`"),
        ("survivals", "with\na as (\nselect 1\n)\n\nselect * from a", "has no part `a`"),
        ("nothing", "select 1", "No such file"),
    ],
)
def test_a_model_of_no_statistic_is_an_error(
    tmp_path: Path, formula: str, select: str, reason: str
) -> None:
    path = tmp_path / "ours.sql"
    path.write_text(f"-- computed by: {formula}\n{select}\n")
    with pytest.raises(CommandError, match=re.escape(reason)):
        read_file(path)


@pytest.mark.parametrize(("dates", "change"), [(1, "same"), (2, "worse")])
def test_latencies_of_one_date_are_no_change(dates: int, change: str) -> None:
    """Failures are of two dates in each period, and the same."""
    with duckdb.connect() as connection:
        connection.execute(f"""
            create schema bedrock_analytics;
            create table bedrock_analytics.window_starts as select 1 as end_date;
            create table given as
            select 'a' as model_id, recent, date '2026-01-01' + cast(day as integer) as submit_date
            from range(2) as periods (recent) cross join range(2) as days (day);
            create table counts as select *, 30 as completed, 1 as failed from given;
            create table durations as
            select *, 1000 + 100 * recent as bucket, 30 as invocations, 30 as completed
            from given where submit_date < date '2026-01-01' + {dates};
        """)
        changes = statistic("recent_changes", counts="from counts", durations="from durations")
        found = connection.sql(f"select change, latency_z_score > 6 from ({changes})").fetchall()
    assert found == [(change, True)]
