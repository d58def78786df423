"""What a page shows is what the models say."""

import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.models.build import build_models
from bedrock_async_etl.report.figures import read_figures
from bedrock_async_etl.report.keys import ALL
from bedrock_async_etl.report.periods import periods
from bedrock_async_invokes.failure_messages import FAULTS
from tests.bedrock_async_etl import copies
from tests.bedrock_async_etl.copies import RAY, REEL, invocation, report, store
from tests.conftest import NOW
from tests.scenarios import Scenarios
from tests.sql.given import SCENARIOS
from tests.sql.given_rates import FORMULA, OUTCOMES
from tests.timelines import modelled

Row = dict[str, Any]
SURVIVAL = """
select
    account_id, region, model_id, date_diff('day', date '1970-01-01', submit_date) as cohort,
    ended, still_open, p50, p95, p99
from bedrock_analytics.latency_survival_daily where ended + still_open > 0
"""
ENDED = """
select
    account_id, region, model_id, date_diff('day', date '1970-01-01', submit_date) as cohort,
    quantile_disc(latency_seconds, 0.5), quantile_disc(latency_seconds, 0.95),
    quantile_disc(latency_seconds, 0.99)
from bedrock_analytics.invocations where latency_seconds is not null
group by all
"""
PERIOD = """
select
    account_id, region, model_id, count(*), count(*) filter (where status = 'Completed'),
    count(*) filter (where is_failed)
from bedrock_analytics.invocations
where epoch_ms(submit_time) >= {from_ms} and epoch_ms(submit_time) < {until_ms}
group by all
"""
PERIODS_LATENCIES = """
select
    account_id, region, model_id, quantile_disc(latency_seconds, 0.5),
    quantile_disc(latency_seconds, 0.95), quantile_disc(latency_seconds, 0.99)
from bedrock_analytics.invocations
where epoch_ms(submit_time) >= {from_ms} and epoch_ms(submit_time) < {until_ms}
group by all
having not bool_or(is_open)
"""
EXAMPLES = """
select account_id, region, model_id, failure_category, invocation_arn
from bedrock_analytics.invocations
where is_failed and epoch_ms(submit_time) >= {from_ms}
qualify row_number() over (
    partition by account_id, region, model_id, failure_category
    order by submit_time desc, invocation_arn
) = 1
"""
DAYS = """
select
    account_id, region, model_id, date_diff('day', date '1970-01-01', submit_date) as day,
    invocations, completed, failed, is_settled
from bedrock_analytics.failure_rate_daily
"""
RISKS = ("failure_risk", "failure_risk_low", "failure_risk_high")
DAYS_RISKS = """
select
    account_id, region, model_id, date_diff('day', date '1970-01-01', submit_date) as day,
    round(failure_risk, 5), round(failure_risk_low, 5), round(failure_risk_high, 5)
from bedrock_analytics.failure_rate_daily
"""
CHOSEN = f"""
create temp table given as
with submitted as ({OUTCOMES}),

cohorts as (
    select *, 'day' as kind, date_diff('day', date '1970-01-01', submit_date) as cohort
    from submitted
    union all
    select submitted.*, 'period' as kind, periods.cohort
    from submitted
    inner join periods
        on epoch_ms(submit_time) >= from_ms and epoch_ms(submit_time) < until_ms
)

select
    concat_ws(' ', kind, cohort, chosen_region, chosen_model) as model_id, outcome, count, ms, hour
from
    cohorts,
    unnest([region, 'all']) as regions (chosen_region),
    unnest([model_id, 'all']) as models (chosen_model)
"""
"""Every choice of a region or all, a model or all, and a date or a period."""
SUMMARY = """
select
    model_id, measured, still_open, round(failure_risk, 5), round(failure_risk_low, 5),
    round(failure_risk_high, 5), survival_p50, survival_p95, survival_p99
from bedrock_analytics.model_summary where measured + still_open > 0
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> DuckDBDestination:
    """Seventy days of two accounts in two regions, some of it open."""
    path = tmp_path_factory.mktemp("copy") / "copy.duckdb"
    return modelled(path, 12_000, timedelta(days=70))


def figures(destination: DuckDBDestination, days: int) -> dict[str, Any]:
    with destination.connection() as connection:
        return read_figures(connection, days)


def query(destination: DuckDBDestination, sql: str) -> list[tuple[Any, ...]]:
    with destination.connection() as connection:
        return connection.sql(sql).fetchall()


def rows(columns: dict[str, Any]) -> list[Row]:
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def named(shown: dict[str, Any], row: Row) -> tuple[Any, Any, Any]:
    return (
        shown["accounts"][row["account"]],
        shown["regions"][row["region"]],
        shown["models"][row["model"]],
    )


def leaves(shown: dict[str, Any], table: str, columns: Sequence[str]) -> set[tuple[Any, ...]]:
    """What a table says of single accounts, regions and models, by their names."""
    return {
        (*named(shown, row), *(row[column] for column in columns))
        for row in rows(shown[table])
        if ALL not in (row["account"], row["region"], row["model"])
    }


def test_a_days_counts_are_those_of_failure_rate_daily(copy: DuckDBDestination) -> None:
    shown = figures(copy, 90)
    columns = ("day", "invocations", "completed", "failed", "is_settled")
    assert leaves(shown, "days", columns) == set(query(copy, DAYS))


def test_a_days_latencies_are_those_of_the_models(copy: DuckDBDestination) -> None:
    shown = figures(copy, 90)
    survival = ("cohort", "ended", "still_open", "survival_p50", "survival_p95", "survival_p99")
    assert leaves(shown, "day_estimates", survival) == set(query(copy, SURVIVAL))


def test_percentiles_of_finished_ones_are_there_where_they_differ(copy: DuckDBDestination) -> None:
    shown = figures(copy, 90)
    survival = ("cohort", "survival_p50", "survival_p95", "survival_p99")
    finished = ("cohort", "latency_p50", "latency_p95", "latency_p99")
    told = {row[:4]: row[4:] for row in leaves(shown, "day_estimates", survival)}
    differing = {row[:4]: row[4:] for row in leaves(shown, "day_finished", finished)}
    assert 0 < len(differing) < len(told)
    ended = {row[:4]: row[4:] for row in query(copy, ENDED)}
    assert {cohort: (told | differing)[cohort] for cohort in ended} == ended


def test_a_days_risks_are_those_of_failure_rate_daily(copy: DuckDBDestination) -> None:
    shown = figures(copy, 90)
    assert leaves(shown, "day_estimates", ("cohort", *RISKS)) == set(query(copy, DAYS_RISKS))


def some_open(seed: int) -> list[dict[str, Any]]:
    """Three weeks of two regions and two models: failures are fast, and many have not ended."""
    chance = random.Random(seed)
    invocations = []
    for number in range(800):
        age = timedelta(days=21 * chance.random() ** 2)
        has_failed = chance.random() < 0.1
        seconds = chance.expovariate(1 / (9_000 if has_failed else 200_000))
        summary = invocation(
            f"{number}",
            age,
            seconds if seconds < age.total_seconds() else None,
            "Failed" if has_failed else chance.choice(["Completed"] * 20 + ["Paused"]),
            chance.choice([REEL, RAY]),
        )
        region = chance.choice(["us-east-1", "eu-west-1"])
        arn = summary["invocationArn"].replace("us-east-1", region)
        invocations.append(summary | {"invocationArn": arn})
    return invocations


@pytest.mark.parametrize("seed", [1, 2])
def test_a_risk_is_that_of_all_that_is_chosen(seed: int, tmp_path: Path) -> None:
    runs = [report(), report(region="eu-west-1")]
    vanished = [f"{number}" for number in range(20)]
    copy = copies.modelled(tmp_path / "copy.duckdb", some_open(seed), runs, vanished)
    shown = figures(copy, 30)
    told = {
        " ".join((kind, f"{row['cohort']}", *choice(shown, row))): tuple(
            row[name] for name in RISKS
        )
        for kind in ("day", "period")
        for row in rows(shown[f"{kind}_estimates"])
    }
    with copy.connection() as connection:
        chosen = [vars(period) for period in periods(30, shown["as_of_ms"])]
        connection.register("periods", pa.Table.from_pylist(chosen))
        connection.execute(CHOSEN)
        estimates = connection.sql(f"select model_id, {', '.join(RISKS)} from ({FORMULA})")
        expected = {label: tuple(risk) for label, *risk in estimates.fetchall()}
    assert len(expected) > 150
    assert {label: told.get(label) for label in expected} == {
        label: pytest.approx(risk, abs=6e-6) for label, risk in expected.items()
    }
    assert {risk for label, risk in told.items() if label not in expected} <= {(None,) * 3}


def choice(shown: dict[str, Any], row: Row) -> tuple[str, str]:
    region, model = row["region"], row["model"]
    return (
        "all" if region == ALL else shown["regions"][region],
        "all" if model == ALL else shown["models"][model],
    )


def test_what_ended_at_an_unknown_time_counts_in_a_risk(tmp_path: Path) -> None:
    endless = [invocation(name, timedelta(days=1)) for name in ("a", "b")]
    for each in endless:
        del each["endTime"]
    endless[0]["status"] = "Failed"
    shown = figures(copies.modelled(tmp_path / "copy.duckdb", endless), 30)
    for table in ("day_estimates", "period_estimates"):
        risks = {(row["ended"], row["failure_risk"]) for row in rows(shown[table])}
        assert risks == {(0, 0.5)}


@pytest.mark.parametrize("days", [14, 30])
def test_periods_have_what_was_submitted_from_instant_to_instant(
    copy: DuckDBDestination, days: int
) -> None:
    shown = figures(copy, days)
    for period in periods(days, shown["as_of_ms"]):
        told = {
            (*named(shown, row), row["invocations"], row["completed"], row["failed"])
            for row in rows(shown["totals"])
            if row["cohort"] == period.cohort
        }
        assert told == set(query(copy, PERIOD.format(**vars(period))))


def test_a_periods_latencies_are_those_of_its_invocations(copy: DuckDBDestination) -> None:
    shown = figures(copy, 30)
    for period in periods(30, shown["as_of_ms"]):
        told = {
            (*named(shown, row), *(row[f"survival_{share}"] for share in ("p50", "p95", "p99")))
            for row in rows(shown["period_estimates"])
            if row["cohort"] == period.cohort
            and row["still_open"] == 0
            and ALL not in (row["account"], row["region"], row["model"])
        }
        assert told == set(query(copy, PERIODS_LATENCIES.format(**vars(period))))
        assert told


def test_an_example_is_the_newest_that_failed_for_the_reason(copy: DuckDBDestination) -> None:
    shown = figures(copy, 30)
    from_ms = min(period.from_ms for period in periods(30, shown["as_of_ms"]))
    told = leaves(shown, "examples", ("category", "invocation_arn"))
    assert told == set(query(copy, EXAMPLES.format(from_ms=from_ms)))


def test_thirty_days_of_a_model_are_those_of_model_summary(copy: DuckDBDestination) -> None:
    shown = figures(copy, 30)
    longest = shown["periods"][-1]["cohort"]
    columns = ("ended", "still_open", *RISKS, "survival_p50", "survival_p95", "survival_p99")
    told = {
        (shown["models"][row["model"]], *(row[column] for column in columns))
        for row in rows(shown["period_estimates"])
        if (row["cohort"], row["account"], row["region"]) == (longest, ALL, ALL)
        and row["model"] != ALL
    }
    assert told == set(query(copy, SUMMARY))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_thirty_days_count_what_model_summary_counts(scenario: str, scenarios: Scenarios) -> None:
    destination = DuckDBDestination(scenarios(scenario))
    shown = figures(destination, 30)
    longest = shown["periods"][-1]["cohort"]
    told: dict[Any, list[int]] = {}
    for row in rows(shown["totals"]):
        if row["cohort"] == longest:
            counts = told.setdefault(shown["models"][row["model"]], [0, 0, 0])
            for at, name in enumerate(("invocations", "completed", "failed")):
                counts[at] += row[name]
    summary = """
    select model_id, invocations, completed, failed from bedrock_analytics.model_summary
    where invocations > 0
    """
    assert told == {model: counts for model, *counts in query(destination, summary)}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_all_that_is_open_is_counted_whatever_its_age(scenario: str, scenarios: Scenarios) -> None:
    destination = DuckDBDestination(scenarios(scenario))
    counts = figures(destination, 1)["open_counts"]
    names = ("open_invocations", "stuck", "stuck_unknown", "vanished")
    told = [sum(counts[name]) for name in names]
    counted = """
    select
        count(*) filter (where is_open),
        (select coalesce(sum(stuck), 0) from bedrock_analytics.model_summary),
        (select coalesce(sum(stuck_unknown), 0) from bedrock_analytics.model_summary),
        count(*) filter (where is_vanished)
    from bedrock_analytics.invocations
    """
    assert told == list(query(destination, counted)[0])


def test_reasons_add_up_to_what_failed(copy: DuckDBDestination) -> None:
    shown = figures(copy, 30)
    for period in shown["periods"]:
        failed = total(shown["totals"], "failed", period["cohort"])
        assert total(shown["reasons"], "failed", period["cohort"]) == failed > 0


def test_reasons_say_whose_fault_they_are(copy: DuckDBDestination) -> None:
    shown = {(row["category"], row["fault"]) for row in rows(figures(copy, 30)["reasons"])}
    assert {category for category, _ in shown} >= {"timeout", "storage_access"}
    assert shown == {(category, FAULTS.get(category)) for category, _ in shown}


def total(columns: dict[str, Any], name: str, cohort: int) -> int:
    return sum(row[name] for row in rows(columns) if row["cohort"] == cohort)


def test_what_was_open_as_a_period_began_is_what_had_not_ended(copy: DuckDBDestination) -> None:
    shown = figures(copy, 30)
    for period in shown["periods"]:
        began = f"make_timestamp_ms({period['from_ms']}) at time zone 'UTC'"
        [(still_open,)] = query(
            copy,
            f"""
            select count(*) from bedrock_analytics.invocations
            where submit_time < {began} and (is_open or end_time >= {began})
            """,
        )
        before = total(shown["open_before"], "open_invocations", period["cohort"] + 1)
        assert before == still_open > 0


def test_what_vanished_was_open_until_it_was_missed(tmp_path: Path) -> None:
    copy = store(
        tmp_path / "copy.duckdb", [invocation("a", timedelta(days=60), None)], vanished=["a"]
    )
    with copy.connect(read_only=False) as connection:
        connection.execute("update bedrock.async_invokes set observed_at = submit_time")
        connection.execute(
            "update bedrock.vanished_invokes set vanished_at = vanished_at - interval 3 day"
        )
    build_models(copy)
    shown = figures(copy, 30)
    open_before = {
        period["days"]: total(shown["open_before"], "open_invocations", period["cohort"] + 1)
        for period in shown["periods"]
    }
    assert open_before == {1: 0, 7: 1, 30: 1}
    counts = shown["open_counts"]
    assert (counts["open_invocations"], counts["vanished"]) == ([0], [1])


def test_a_period_is_compared_only_where_the_one_before_was_loaded(
    copy: DuckDBDestination,
) -> None:
    shown = figures(copy, 60)
    compared = {period["days"]: period["has_previous"] for period in shown["periods"]}
    assert compared == {1: True, 7: True, 30: True, 60: False}


@pytest.mark.parametrize(("days", "hours"), [(30, 1), (90, 3)])
def test_what_was_in_flight_is_that_of_the_model(
    copy: DuckDBDestination,
    days: int,
    hours: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bedrock_async_etl.report.figures.CELLS_IN_FLIGHT", 28 * 30 * 24)
    shown = figures(copy, days)
    flights = shown["in_flight"]
    assert shown["flight_hours"] == hours
    assert flights["peak"]
    [(peak, average)] = query(
        copy,
        f"""
        select max(in_flight_peak), sum(in_flight_avg) from bedrock_analytics.in_flight_hourly
        where hour >= timestamptz '{NOW - timedelta(days=days)}'
        """,
    )
    assert max(flights["peak"]) == peak
    if hours == 1:
        assert sum(flights["average"]) == pytest.approx(average, abs=0.001 * len(flights["peak"]))


def test_incidents_are_those_of_the_model(scenarios: Scenarios) -> None:
    destination = DuckDBDestination(scenarios("failures after a quiet week"))
    shown = figures(destination, 30)["incidents"]
    same = ("scopes", "failed", "terminal", "excess_failed", "failure_category", "example_arn")
    columns = ", ".join(("0, 0, 0, epoch_ms(started_at), epoch_ms(ended_at)", *same))
    names = ("account", "region", "model", "started_ms", "ended_ms")
    told = list(zip(*(shown[name] for name in (*names, *same)), strict=True))
    assert told == query(destination, f"select {columns} from bedrock_analytics.incidents")
    assert told


def test_a_copy_without_invocations_has_no_models_to_choose(scenarios: Scenarios) -> None:
    destination = DuckDBDestination(scenarios("no rows at all"))
    shown = figures(destination, 30)
    assert (shown["models"], shown["as_of_ms"], shown["totals"]["cohort"]) == ([], None, [])
