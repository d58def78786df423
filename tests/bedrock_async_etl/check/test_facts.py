"""What is read of a copy, and that it is what the models say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bedrock_async_etl.check import check
from bedrock_async_etl.check.facts import Facts, read_facts
from bedrock_async_etl.check.thresholds import Limits, Thresholds
from bedrock_async_etl.check.verdict import Finding
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import CommandError
from tests.bedrock_async_etl.copies import (
    ACCOUNT,
    AS_OF,
    LOADED_AT,
    RAY,
    REEL,
    REGION,
    invocation,
    modelled,
    report,
    store,
)
from tests.builds import build_models
from tests.copies import query
from tests.lakes import lake_of
from tests.sql.given import store as store_tables
from tests.timelines import timeline

HOUR, DAY, MILLISECOND = timedelta(hours=1), timedelta(days=1), timedelta(milliseconds=1)
EVERYTHING = Thresholds(
    {
        "failure_rate": Limits(0.1),
        "p95": Limits(600),
        "open_age": Limits(3_600, {RAY: 60}),
        "lag": Limits(3_600),
    }
)
LAG = Thresholds({"lag": Limits(3_600)})
GIVEN = [
    invocation("at the beginning", DAY, 100),
    invocation("before the beginning", DAY + MILLISECOND, 100, "Failed"),
    invocation("failed", HOUR, 300, "Failed"),
    invocation("open", 2 * HOUR, None),
    invocation("old", 30 * DAY, None),
    invocation("vanished", 60 * DAY, None),
    invocation("vanished today", 3 * HOUR, None),
    invocation("cancelled", 4 * HOUR, 3_600, "Cancelled"),
    invocation("short", timedelta(minutes=2), None, model=RAY),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "copy.duckdb"


def facts_of(destination: Destination, thresholds: Thresholds) -> Facts:
    with destination.connection() as connection:
        return read_facts(connection, "copy", thresholds, AS_OF)


def found(
    destination: Destination, rule: str, thresholds: Thresholds = EVERYTHING
) -> list[Finding]:
    loaded_at = datetime.fromtimestamp(LOADED_AT, UTC)
    findings = check(destination, thresholds, loaded_at).findings
    return [finding for finding in findings if finding.rule == rule]


@pytest.mark.slow
def test_findings_are_of_the_window_and_of_all_that_is_open(path: Path) -> None:
    copy = modelled(path, GIVEN, vanished=["vanished", "vanished today"])
    facts = facts_of(copy, EVERYTHING)
    assert (facts.since, facts.until, facts.newest, facts.ended, facts.modelled_at) == (
        AS_OF - DAY,
        AS_OF,
        AS_OF - timedelta(minutes=2),
        2,
        LOADED_AT,
    )
    assert set(facts.model_ids) == {REEL, RAY}
    assert [
        (each.subject, each.value, each.evidence.get("failed"), each.evidence.get("terminal"))
        for each in found(copy, "failure_rate")
    ] == [
        (REEL, pytest.approx(1 / 3), 1, 2),
        (RAY, None, None, None),
        ("all models together", pytest.approx(3 / 8), 1, 2),
    ]
    assert [(each.subject, each.value, each.evidence) for each in found(copy, "p95")] == [
        (REEL, None, {"low": None, "high": None, "ended": 2, "still_open": 1, "longest": 10_800}),
        (RAY, None, {"low": None, "high": None, "ended": 0, "still_open": 1, "longest": 120}),
    ]
    scope = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke"
    assert [
        (each.subject, each.sample_size, each.value, each.evidence)
        for each in found(copy, "open_age")
    ] == [
        (REEL, 2, 2_592_000, {"too_old": 2, "oldest_arn": f"{scope}/old"}),
        (RAY, 1, 120, {"too_old": 1, "oldest_arn": f"{scope}/short"}),
    ]
    assert [(each.subject, each.value) for each in found(copy, "lag")] == [
        (f"{ACCOUNT}/{REGION}", 0),
        ("the models", 0),
    ]


def test_what_was_submitted_at_the_windows_end_is_not_in_it(path: Path) -> None:
    copy = modelled(path, [invocation("now", timedelta(0)), invocation("then", MILLISECOND)])
    assert [each.sample_size for each in found(copy, "failure_rate")] == [1]
    assert facts_of(copy, EVERYTHING).ended == 1


def test_runs_are_dated_by_the_clock_of_the_machine_that_loads(path: Path) -> None:
    runs = [
        report(ago=2 * HOUR),
        report("failed", HOUR, error="Denied: No."),
        report("failed", region="eu-west-1", error="Denied: Never."),
    ]
    copy = store(path, [], runs)
    assert [(each.subject, each.value, each.evidence) for each in found(copy, "lag", LAG)] == [
        (
            f"{ACCOUNT}/eu-west-1",
            None,
            {"last_success_at": None, "last_error": "Denied: Never."},
        ),
        (
            f"{ACCOUNT}/{REGION}",
            7_200,
            {"last_success_at": AS_OF - 2 * HOUR, "last_error": "Denied: No."},
        ),
    ]


def test_a_lag_is_by_this_machines_clock_whatever_the_service_says(path: Path) -> None:
    copy = store(path, [])
    loaded_at = datetime.fromtimestamp(LOADED_AT, UTC)
    ages = [
        check(copy, LAG, loaded_at + age).findings[0].value
        for age in (timedelta(seconds=5), 2 * HOUR)
    ]
    assert ages == [5, 7_200]


def test_models_know_no_run_after_they_were_built(path: Path) -> None:
    copy = modelled(path, GIVEN, [report(ago=3 * HOUR)])
    with copy.connect(read_only=False) as connection:
        connection.execute(
            "insert into bedrock.extract_runs by name "
            "select * replace (finished_at + interval 3 hour as finished_at, ? as _dlt_load_id) "
            "from bedrock.extract_runs",
            [str(LOADED_AT)],
        )
    facts = facts_of(copy, EVERYTHING)
    loaded_at = facts.runs[0]["last_success_loaded_at"].timestamp()
    assert (facts.modelled_at, loaded_at) == (LOADED_AT - 10_800, LOADED_AT)
    assert facts.until == AS_OF - 3 * HOUR


@pytest.mark.slow
def test_a_lake_says_what_its_database_says(path: Path, tmp_path: Path) -> None:
    copy = modelled(path, GIVEN)
    lake = lake_of(path, tmp_path / "lake", "parquet")
    build_models(lake)
    assert check(lake, EVERYTHING, AS_OF) == check(copy, EVERYTHING, AS_OF)


@pytest.mark.slow
def test_percentiles_and_intervals_are_those_of_the_models(path: Path) -> None:
    [tables] = timeline(8_000, 30 * DAY, AS_OF)
    copy = DuckDBDestination(store_tables(path, **tables))
    build_models(copy)
    limits = {"failure_rate": Limits(0.1), "p95": Limits(600)}
    thresholds = Thresholds(limits, window=30 * DAY)
    of_rates = {each.subject: each for each in found(copy, "failure_rate", thresholds)}
    del of_rates["all models together"]
    of_p95s = {each.subject: each for each in found(copy, "p95", thresholds)}
    summary = query(
        path,
        "select model_id, completed + failed, failed, failure_risk, failure_risk_low, "
        "failure_risk_high, survival_p95, survival_p95_low, survival_p95_high, measured, "
        "still_open "
        "from bedrock_analytics.model_summary order by model_id",
    )
    assert len(summary) > 5
    assert sum(row[-1] for row in summary) > 0
    assert summary == [
        (
            model,
            rate.sample_size,
            rate.evidence["failed"],
            rate.value,
            rate.evidence["low"],
            rate.evidence["high"],
            of_p95s[model].value,
            of_p95s[model].evidence["low"],
            of_p95s[model].evidence["high"],
            of_p95s[model].evidence["ended"],
            of_p95s[model].evidence["still_open"],
        )
        for model, rate in of_rates.items()
    ]


def test_nothing_loaded_says_what_to_do(path: Path) -> None:
    copy = store(path, [], [])
    with pytest.raises(CommandError, match="has no runs yet: load it first with `run`"):
        check(copy, EVERYTHING)


def test_no_models_say_what_to_do_unless_they_are_not_needed(path: Path) -> None:
    copy = store(path, GIVEN)
    with pytest.raises(CommandError, match="has no models yet: build them with `models`"):
        check(copy, EVERYTHING)
    assert facts_of(copy, LAG).modelled_at is None
