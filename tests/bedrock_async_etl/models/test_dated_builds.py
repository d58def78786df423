"""Builds make the dates anew whose input has changed; tables are as if all was built at once."""

import shutil
from pathlib import Path

import duckdb
import pytest

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.database import model_tables
from bedrock_async_etl.destinations.database.dates import Dates
from bedrock_async_etl.destinations.database.model_tables import ModelTables
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.lake.model_tables import LakeModelTables
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.models.build import ModelBuild
from tests.builds import build_models, run_checks
from tests.copies import CopyKind, query
from tests.model_histories import (
    BuildStoppedError,
    History,
    assert_built_as_whole,
    build,
    follow,
    model_rows,
)
from tests.scenarios import Scenarios

INVOCATIONS = "bedrock_analytics.invocations"


@pytest.mark.slow
def test_a_date_that_is_left_out_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History("duckdb", tmp_path, seed=1)
    follow(history, 3)
    stale_dates = ModelBuild._stale_dates

    def all_but_one(self: ModelBuild, model: object) -> object:
        dates = stale_dates(self, model)  # type: ignore[arg-type]
        return dates and frozenset(sorted(dates, key=str)[:-1])

    monkeypatch.setattr(ModelBuild, "_stale_dates", all_but_one)
    with pytest.raises(AssertionError):
        follow(history, 3)


@pytest.mark.slow
def test_a_build_that_is_stopped_leaves_the_models_as_they_were(tmp_path: Path) -> None:
    history = History("duckdb", tmp_path, seed=2)
    follow(history, 2)
    before = model_rows(history.destination)
    history.submit()
    history.report()
    with pytest.raises(BuildStoppedError):
        build(history, stop_after=20)
    assert model_rows(history.destination) == before
    build(history)
    assert model_rows(history.destination) != before
    assert_built_as_whole(history)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["duckdb", "parquet"])
def test_portions_are_together_what_is_built_at_once(
    kind: CopyKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time, and where several dates have changed."""
    history = History(kind, tmp_path, seed=4)
    with monkeypatch.context() as small:
        for tables in (ModelTables, LakeModelTables):
            small.setattr(tables, "portion_rows", 40)
        for _ in range(3):
            history.submit()
            history.report()
            build(history)
        in_portions = model_rows(history.destination)
    build_models(history.destination, history.own_models, is_full=True)
    assert model_rows(history.destination) == in_portions


@pytest.fixture
def built(scenarios: Scenarios, tmp_path: Path) -> DuckDBDestination:
    return DuckDBDestination(Path(shutil.copy(scenarios("across days"), tmp_path)))


def dates_built(destination: Destination, own: Path | None = None) -> dict[str, int | None]:
    return {model.name: model.dates for model in build_models(destination, own)}


def execute(destination: DuckDBDestination, statement: str) -> None:
    with duckdb.connect(destination.database) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(statement)


def test_a_full_build_makes_good_what_others_changed(built: DuckDBDestination) -> None:
    rows = model_rows(built)
    execute(built, f"update {INVOCATIONS} set status = 'ours'")
    build_models(built, is_full=True)
    assert model_rows(built) == rows


def test_a_full_build_makes_a_table_of_other_columns_anew(built: DuckDBDestination) -> None:
    rows = model_rows(built)
    execute(built, f"alter table {INVOCATIONS} add column more integer")
    build_models(built, is_full=True)
    assert model_rows(built) == rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["duckdb", "parquet"])
def test_nothing_new_builds_no_date(kind: CopyKind, tmp_path: Path) -> None:
    history = History(kind, tmp_path, seed=3)
    follow(history, 2)
    build(history)
    dates = dates_built(history.destination, history.own_models)
    assert {dates[name] for name in ("invocations", "failure_rate_daily", "in_flight_hourly")} == {
        0
    }
    assert dates["model_summary"] is None


@pytest.mark.slow
def test_a_change_builds_its_date_and_those_that_it_reaches(built: DuckDBDestination) -> None:
    """An invocation that was in flight on three dates ended a minute earlier."""
    execute(
        built,
        "update bedrock.async_invokes set end_time = end_time - interval 1 minute, "
        "observed_at = observed_at + interval 1 minute",
    )
    dates = dates_built(built)
    assert (dates["invocations"], dates["latencies"], dates["latency_daily"]) == (1, 1, 1)
    assert dates["in_flight_hourly"] == 2
    # Nothing became of the invocations that had not been counted before.
    assert (dates["failure_rates"], dates["failure_rate_daily"], dates["failure_spikes"]) == (
        1,
        0,
        0,
    )


def test_dates_whose_rows_stay_the_same_are_not_replaced(
    built: DuckDBDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invocation that ended a minute earlier has failed no more often."""
    replaced: dict[str, int] = {}
    replace = ModelTables.replace

    def noted(self: ModelTables, name: str, rows: str, dates: Dates, condition: str) -> None:
        replaced[name] = len(dates)
        replace(self, name, rows, dates, condition)

    monkeypatch.setattr(ModelTables, "replace", noted)
    execute(
        built,
        "update bedrock.async_invokes set end_time = end_time - interval 1 minute, "
        "observed_at = observed_at + interval 1 minute",
    )
    dates = dates_built(built)
    assert (dates["failure_rates"], "failure_rates" in replaced) == (1, False)
    assert (dates["in_flight_hourly"], replaced["in_flight_hourly"]) == (2, 1)


@pytest.mark.parametrize("header", ["", "-- versioned by: submit_date\n"])
def test_a_changed_file_builds_itself_and_what_reads_it(
    header: str, built: DuckDBDestination, tmp_path: Path
) -> None:
    fingerprints = (
        "select fingerprint from bedrock_builds.fingerprints "
        "where table_name = 'bedrock_analytics.first'"
    )
    own = tmp_path / "own"
    own.mkdir()
    first = (
        f"{header}-- dated by: submit_date\n"
        "select distinct submit_date, 1 as a from bedrock_analytics.invocations"
    )
    (own / "first.sql").write_text(first)
    (own / "second.sql").write_text("-- dated by: submit_date\nfrom bedrock_analytics.first")
    (own / "apart.sql").write_text(first)
    build_models(built, own)
    before = query(built.database, fingerprints)
    (own / "first.sql").write_text(first.replace("1 as a", "2 as a"))
    dates = dates_built(built, own)
    assert [dates[name] for name in ("first", "second", "apart")] == [None, None, 0]
    assert query(built.database, "select distinct a from bedrock_analytics.second") == [(2,)]
    assert query(built.database, fingerprints) != before


def test_a_table_beside_given_values_is_read_by_dates(
    built: DuckDBDestination, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.sql").write_text(
        "-- dated by: submit_date\nselect distinct submit_date, number from "
        "bedrock_analytics.invocations cross join (values (1), (2)) as numbers (number)"
    )
    build_models(built, own)
    rows = query(built.database, "from bedrock_analytics.mine order by all")
    execute(built, "update bedrock.async_invokes set observed_at = observed_at + interval 1 minute")
    assert dates_built(built, own)["mine"] == 1
    assert query(built.database, "from bedrock_analytics.mine order by all") == rows


@pytest.mark.parametrize("name", ["invocations", "failure_rate_daily", "scopes"])
def test_a_table_that_somebody_dropped_is_made_again(name: str, built: DuckDBDestination) -> None:
    rows = query(built.database, f"from bedrock_analytics.{name} order by all")
    execute(built, f"drop table bedrock_analytics.{name}")
    assert dates_built(built)[name] is None
    assert query(built.database, f"from bedrock_analytics.{name} order by all") == rows


def test_a_model_of_no_more_is_dropped_and_named(
    built: DuckDBDestination, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.sql").write_text("select 1 as a")
    build_models(built, own)
    build_models(built)
    build_models(built)
    assert [each.message.partition(":")[0] for each in caplog.records] == [
        "Dropped the tables mine"
    ]
    with pytest.raises(duckdb.CatalogException):
        query(built.database, "from bedrock_analytics.mine")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("-- dated by: nope\nselect 1 as a", "is dated by nope, which has to be a column that is"),
        ("-- dated by: a\nselect 1 as a", "is dated by a, which has to be a column that is a date"),
        (
            "-- dated by: a\n-- versioned by: a, b\nselect current_date as a",
            "is versioned by b, which is no column of it",
        ),
        (
            "-- dated by: a\n-- reads back: long\nselect 1 as a",
            "is a number of days, such as 7 days",
        ),
    ],
)
def test_a_header_that_cannot_be_followed_is_told(
    text: str, told: str, built: DuckDBDestination, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.sql").write_text(text)
    with pytest.raises(CommandError, match=told):
        build_models(built, own)


@pytest.mark.parametrize(
    ("headers", "first", "is_told"),
    [
        ("-- dated by: first", "submit_date", False),
        ("-- dated by: first", "cast(date_trunc('month', submit_date) as date)", True),
        ("-- dated by: first\n-- reads back: 7 days", "submit_date + 7", False),
        ("-- dated by: first\n-- reads back: 6 days", "submit_date + 7", True),
        ("-- dated by: first\n-- reads back: all days", "submit_date + 7", False),
    ],
)
def test_a_model_whose_dates_depend_on_others_is_told_of_once(
    headers: str,
    first: str,
    is_told: bool,
    built: DuckDBDestination,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    select = f"select {first} as first, count(*) as number from {INVOCATIONS} group by all"
    (own / "mine.sql").write_text(f"{headers}\n{select}")
    build_models(built, own)
    build_models(built, own)
    told = [each.message for each in caplog.records if "of other dates" in each.message]
    assert len(told) == is_told


def test_a_check_goes_on_looking_at_a_date_that_breaks_it(built: DuckDBDestination) -> None:
    def violations(*, is_full: bool = False) -> int:
        found = {check.name: check.violations for check in run_checks(built, is_full=is_full)}
        return found["marts_add_up"]

    assert violations() == 0
    execute(built, "update bedrock_analytics.failure_rate_daily set invocations = 5")
    assert violations() == 0  # Nothing was loaded, and nothing built.
    assert [violations(is_full=True), violations(), violations()] == [1, 1, 1]
    execute(built, "update bedrock_analytics.failure_rate_daily set invocations = 1")
    assert [violations(), violations()] == [0, 0]


def test_a_build_that_needs_more_memory_takes_it(
    built: DuckDBDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []
    lift = ModelTables.lift_memory_limit

    def lifted(tables: ModelTables) -> None:
        lift(tables)
        limits.append(tables.connection.sql("select current_setting('memory_limit')").fetchall())

    monkeypatch.setattr(ModelTables, "lift_memory_limit", lifted)
    monkeypatch.setattr(model_tables, "BUILD_SETTINGS", "set memory_limit = '2MB'")
    rows = query(built.database, "from bedrock_analytics.in_flight_hourly order by all")
    build_models(built, is_full=True)
    assert len(limits) == 1
    assert query(built.database, "from bedrock_analytics.in_flight_hourly order by all") == rows
