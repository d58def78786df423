"""What is read of a copy, and that it is what the models say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bedrock_async_etl.check.check import check
from bedrock_async_etl.check.facts import (
    Facts,
    OpenInvocations,
    Outcomes,
    ScopeRuns,
    Survival,
    read_facts,
)
from bedrock_async_etl.check.intervals import wilson
from bedrock_async_etl.check.thresholds import Limits, Thresholds
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.models.build import build_models
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
from tests.copies import query
from tests.lakes import lake_of
from tests.sql.given import store as store_tables
from tests.timelines import timeline

HOUR, DAY, MILLISECOND = timedelta(hours=1), timedelta(days=1), timedelta(milliseconds=1)
EVERYTHING = Thresholds(Limits(0.1), Limits(600), Limits(3_600, {RAY: 60}), 3_600)
GIVEN = [
    invocation("at the beginning", DAY, 100),
    invocation("before the beginning", DAY + MILLISECOND, 100, "Failed"),
    invocation("failed", HOUR, 300, "Failed"),
    invocation("open", 2 * HOUR, None),
    invocation("old", 30 * DAY, None),
    invocation("vanished", 60 * DAY, None),
    invocation("short", timedelta(minutes=2), None, model=RAY),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "copy.duckdb"


def test_facts_are_of_the_window_and_of_all_that_is_open(path: Path) -> None:
    copy = modelled(path, GIVEN, vanished=["vanished"])
    scope = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke"
    assert read_facts(copy, EVERYTHING) == Facts(
        since=AS_OF - DAY,
        until=AS_OF,
        newest=AS_OF - timedelta(minutes=2),
        outcomes=[Outcomes(REEL, 2, 1), Outcomes(RAY, 0, 0)],
        survivals=[Survival(REEL, 2, 1, None, 7_200), Survival(RAY, 0, 1, None, 120)],
        still_open=[
            OpenInvocations(REEL, 2, 2, 2_592_000, f"{scope}/old"),
            OpenInvocations(RAY, 1, 1, 120, f"{scope}/short"),
        ],
        runs=[ScopeRuns(f"{ACCOUNT}/{REGION}", LOADED_AT, AS_OF, "ok", "")],
        modelled_at=LOADED_AT,
        model_ids=frozenset({REEL, RAY}),
    )


def test_what_was_submitted_at_the_windows_end_is_not_in_it(path: Path) -> None:
    copy = modelled(path, [invocation("now", timedelta(0)), invocation("then", MILLISECOND)])
    assert read_facts(copy, EVERYTHING).outcomes == [Outcomes(REEL, 1, 0)]


def test_runs_are_told_by_the_clock_of_the_machine_that_loads(path: Path) -> None:
    runs = [
        report(ago=2 * HOUR),
        report("failed", HOUR, error="Denied: No."),
        report("failed", region="eu-west-1", error="Denied: Never."),
    ]
    copy = store(path, [], runs)
    assert read_facts(copy, Thresholds(lag=3_600)).runs == [
        ScopeRuns(f"{ACCOUNT}/eu-west-1", None, None, "failed", "Denied: Never."),
        ScopeRuns(
            f"{ACCOUNT}/{REGION}", LOADED_AT - 7_200, AS_OF - 2 * HOUR, "failed", "Denied: No."
        ),
    ]


def test_a_lag_is_by_this_machines_clock_whatever_the_service_says(path: Path) -> None:
    copy = store(path, [])
    loaded_at = datetime.fromtimestamp(LOADED_AT, UTC)
    ages = [
        check(copy, Thresholds(lag=3_600), loaded_at + age).findings[0].value
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
    facts = read_facts(copy, EVERYTHING)
    assert (facts.modelled_at, facts.runs[0].loaded_at) == (LOADED_AT - 10_800, LOADED_AT)
    assert facts.until == AS_OF - 3 * HOUR


def test_a_lake_says_what_its_database_says(path: Path, tmp_path: Path) -> None:
    copy = modelled(path, GIVEN)
    lake = lake_of(path, tmp_path / "lake", "parquet")
    build_models(lake)
    assert read_facts(lake, EVERYTHING) == read_facts(copy, EVERYTHING)


def test_percentiles_and_intervals_are_those_of_the_models(path: Path) -> None:
    [tables] = timeline(8_000, 30 * DAY, AS_OF)
    copy = DuckDBDestination(store_tables(path, **tables))
    build_models(copy)
    facts = read_facts(copy, Thresholds(Limits(0.1), Limits(600), window=30 * DAY))
    by_model = {each.model_id: each for each in facts.survivals}
    summary = query(
        path,
        "select model_id, completed + failed, failed, failure_rate_low, failure_rate_high, "
        "survival_p95, still_open from bedrock_analytics.model_summary order by model_id",
    )
    assert len(summary) > 5
    assert sum(row[-1] for row in summary) > 0
    assert summary == [
        (
            each.model_id,
            each.terminal,
            each.failed,
            *(pytest.approx(bound, abs=1e-12) for bound in wilson(each.failed, each.terminal)),
            by_model[each.model_id].p95,
            by_model[each.model_id].still_open,
        )
        for each in facts.outcomes
    ]


def test_an_interval_is_exact_at_none_and_at_all() -> None:
    none, all_of_them = wilson(0, 10), wilson(10, 10)
    assert (none[0], all_of_them[1]) == (0, 1)
    assert (none[1], all_of_them[0]) == pytest.approx((0.2775327998628892, 0.7224672001371107))


def test_nothing_loaded_says_what_to_do(path: Path) -> None:
    copy = store(path, [], [])
    with pytest.raises(CommandError, match="has no runs yet: load it first with `run`"):
        read_facts(copy, EVERYTHING)


def test_no_models_say_what_to_do_unless_they_are_not_needed(path: Path) -> None:
    copy = store(path, GIVEN)
    with pytest.raises(CommandError, match="has no models yet: build them with `models`"):
        read_facts(copy, EVERYTHING)
    assert read_facts(copy, Thresholds(lag=60)).modelled_at is None
