"""What a page shows is what the models say."""

from bisect import bisect_left
from collections import Counter
from datetime import timedelta
from itertools import accumulate
from math import floor, log1p
from pathlib import Path
from typing import Any

import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.report.figures import read_figures
from bedrock_async_etl.report.periods import DAY_MS, HOUR_MS, periods
from tests.bedrock_async_etl.copies import invocation, store
from tests.bedrock_async_etl.copies import modelled as modelled_copy
from tests.builds import build_models
from tests.conftest import NOW
from tests.scenarios import Scenarios
from tests.sql.given import FAULTS, SCENARIOS
from tests.timelines import modelled

Row = dict[str, Any]
OUTCOME = """
case
    when is_failed then failure_category
    when is_terminal then 'completed'
    when is_open then 'open'
    else 'other'
end
"""
PERIOD = f"""
select account_id, region, model_id, {OUTCOME} as outcome, count(*)
from bedrock_analytics.invocations
where epoch_ms(submit_time) >= {{from_ms}}
group by all
"""
HOURS = f"""
select epoch_ms(submit_hour) // 3_600_000 as hour, {OUTCOME} as outcome, count(*)
from bedrock_analytics.invocations
where epoch_ms(submit_time) >= {{from_ms}}
group by all
"""
LATENCIES = f"""
select account_id, region, model_id, {OUTCOME} as outcome, round(1000 * latency_seconds)
from bedrock_analytics.invocations
where epoch_ms(submit_time) >= {{from_ms}} and latency_seconds is not null
union all
select account_id, region, model_id, if(is_open, 'open', 'other') as outcome, age_ms
from bedrock_analytics.unmeasured_ages
where epoch_ms(submit_time) >= {{from_ms}}
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


def named(shown: dict[str, Any], leaf: int) -> tuple[Any, Any, Any]:
    """The names of a leaf."""
    keys = {name: shown["leaves"][name][leaf] for name in ("account", "region", "model")}
    return (
        shown["accounts"][keys["account"]],
        shown["regions"][keys["region"]],
        shown["models"][keys["model"]],
    )


def test_the_busiest_account_region_and_model_come_first(copy: DuckDBDestination) -> None:
    shown = figures(copy, 90)
    for name, column in (("accounts", "account_id"), ("regions", "region"), ("models", "model_id")):
        ranked = query(
            copy,
            f"select {column} from bedrock_analytics.invocations "
            f"group by {column} order by count(*) desc, {column}",
        )
        assert shown[name] == [label for (label,) in ranked]


def cells(shown: dict[str, Any], table: str) -> list[Row]:
    """The rows of a table of cells, with their leaf, outcome, bin and bucket."""
    packed, outcomes = shown["cells"], shown["outcomes"]["name"]
    buckets = packed["buckets"] if table == "durations" else 1
    found = []
    places = accumulate(packed[table]["gap"])
    for place, row in zip(places, rows(packed[table]), strict=True):
        rest, bucket = divmod(place, buckets)
        rest, bin_at = divmod(rest, packed["bins"])
        leaf, outcome = divmod(rest, len(outcomes))
        names = {"leaf": leaf, "outcome": outcomes[outcome], "bucket": bucket}
        found.append(row | names | {"bin": bin_at + packed["first_bin"]})
    return found


def counted(shown: dict[str, Any], table: str, *names: str, first_bin: int = 0) -> Counter[Any]:
    """The sums of cells from a bin on, by some of what they have."""
    sums: Counter[Any] = Counter()
    for row in cells(shown, table):
        if row["bin"] >= first_bin:
            sums[tuple(row[name] for name in names)] += row["invocations"]
    return sums


@pytest.mark.parametrize("days", [5, 30])
def test_periods_have_what_was_submitted_since_they_began(
    copy: DuckDBDestination, days: int
) -> None:
    shown = figures(copy, days)
    for period in periods(days, shown["as_of_ms"]):
        sums = counted(shown, "counts", "leaf", "outcome", first_bin=period.first_bin)
        told = {(*named(shown, leaf), outcome, count) for (leaf, outcome), count in sums.items()}
        assert told == set(query(copy, PERIOD.format(from_ms=period.from_ms)))
        assert told


def test_hours_have_what_was_submitted_in_them(copy: DuckDBDestination) -> None:
    shown = figures(copy, 30)
    [*_, longest] = periods(30, shown["as_of_ms"])
    sums: Counter[Any] = Counter()
    for (bin_at, outcome), count in counted(
        shown, "counts", "bin", "outcome", first_bin=longest.first_bin
    ).items():
        sums[bin_at // 2, outcome] += count
    expected = query(copy, HOURS.format(from_ms=longest.from_ms))
    assert sums == {(hour, outcome): count for hour, outcome, count in expected}


def test_the_period_before_has_what_was_submitted_until_this_one(copy: DuckDBDestination) -> None:
    shown = figures(copy, 30)
    for period in periods(30, shown["as_of_ms"]):
        first_bin = 2 * (period.before_ms // HOUR_MS) + 1
        since = counted(shown, "counts", first_bin=first_bin)[()]
        since_then = counted(shown, "counts", first_bin=period.first_bin)[()]
        [(expected,)] = query(
            copy,
            f"""
            select count(*) from bedrock_analytics.invocations
            where epoch_ms(submit_time) >= {period.before_ms}
                and epoch_ms(submit_time) < {period.from_ms}
            """,
        )
        assert since - since_then == expected > 0


@pytest.mark.parametrize("limit", [2_000_000, 7_500, 6_600])
def test_latencies_are_in_their_buckets(
    copy: DuckDBDestination, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each period, and where they are put into wider buckets and longer bins."""
    monkeypatch.setattr("bedrock_async_etl.report.figures.CELLS", limit)
    shown = figures(copy, 30)
    width = shown["cells"]["width"]
    is_fine = limit == 2_000_000
    assert (width == 1) == is_fine
    assert (shown["cells"]["step_days"] == 1) == (limit > 7_000)
    for period in periods(30, shown["as_of_ms"]):
        names = ("leaf", "outcome", "bucket")
        sums = counted(shown, "durations", *names, first_bin=period.first_bin)
        told = {
            (*named(shown, leaf), outcome, bucket): count
            for (leaf, outcome, bucket), count in sums.items()
        }
        latencies = query(copy, LATENCIES.format(from_ms=period.from_ms))
        ages = shown["cells"]["ages"]
        expected = Counter(
            (*names, floor(100 * log1p(latency)) // width + bisect_left(ages, latency))
            for *names, latency in latencies
        )
        assert told == expected
        assert told


def test_each_bin_of_latencies_is_a_step_of_the_charts(copy: DuckDBDestination) -> None:
    shown = figures(copy, 30)
    begins = {bin_at for [bin_at] in counted(shown, "durations", "bin")}
    as_of_ms = shown["as_of_ms"]
    for bin_at in begins:
        age = as_of_ms - bin_at // 2 * HOUR_MS
        step_ms = HOUR_MS if age <= DAY_MS else 6 * HOUR_MS if age <= 7 * DAY_MS else DAY_MS
        assert bin_at % 2 or bin_at // 2 * HOUR_MS % step_ms == 0


def test_an_example_is_the_newest_that_failed_for_the_reason(copy: DuckDBDestination) -> None:
    shown = figures(copy, 30)
    from_ms = min(period.from_ms for period in periods(30, shown["as_of_ms"]))
    told = {
        (
            *named(shown, row["leaf"]),
            shown["outcomes"]["name"][row["outcome"]],
            row["invocation_arn"],
        )
        for row in rows(shown["examples"])
    }
    assert told == set(query(copy, EXAMPLES.format(from_ms=from_ms)))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_thirty_days_count_what_model_summary_counts(scenario: str, scenarios: Scenarios) -> None:
    destination = DuckDBDestination(scenarios(scenario))
    shown = figures(destination, 30)
    first_bin = 2 * (shown["periods"][-1]["from_ms"] // HOUR_MS) + 1
    told: dict[Any, list[int]] = {}
    sums = counted(shown, "counts", "leaf", "outcome", first_bin=first_bin)
    for (leaf, outcome), count in sums.items():
        counts = told.setdefault(named(shown, leaf)[2], [0, 0, 0])
        is_failed = outcome not in ("completed", "open", "other")
        for at, is_one in enumerate((True, outcome == "completed", is_failed)):
            counts[at] += is_one * count
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


def test_reasons_say_whose_fault_they_are(copy: DuckDBDestination) -> None:
    _, _, _, *shown = rows(figures(copy, 30)["outcomes"])
    faults = {row["name"]: row["fault"] for row in shown}
    assert set(faults) >= {"timeout", "storage_access"}
    assert faults == {category: FAULTS.get(category) for category in faults}


def open_before(shown: dict[str, Any], days: int) -> int:
    return sum(row["open_invocations"] for row in rows(shown["open_before"]) if row["days"] == days)


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
        assert open_before(shown, period["days"]) == still_open > 0


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
    assert {days: open_before(shown, days) for days in (1, 7, 30)} == {1: 0, 7: 1, 30: 1}
    counts = shown["open_counts"]
    assert (counts["open_invocations"], counts["vanished"]) == ([0], [1])


def test_a_period_is_compared_only_where_the_one_before_was_loaded(
    copy: DuckDBDestination,
) -> None:
    shown = figures(copy, 60)
    compared = {period["days"]: period["has_previous"] for period in shown["periods"]}
    assert compared == {1: True, 7: True, 30: True, 60: False}


def test_what_was_in_flight_is_that_of_the_model(copy: DuckDBDestination) -> None:
    """Of models without a stuck or vanished invocation."""
    shown = figures(copy, 30)
    told: dict[str, list[float]] = {}
    for row in cells(shown, "in_flight"):
        flights = told.setdefault(named(shown, row["leaf"])[2], [0, 0])
        flights[0] = max(flights[0], row["peak"])
        flights[1] += row["seconds"] / 3_600
    expected = query(
        copy,
        f"""
        select model_id, max(in_flight_peak), sum(in_flight_avg)
        from bedrock_analytics.in_flight_hourly
        where hour >= timestamptz '{NOW - timedelta(days=30)}' and model_id not in (
            select model_id from bedrock_analytics.open_invocations where is_stuck or is_vanished
        )
        group by all
        """,
    )
    assert len(expected) > 1
    for model, peak, ran in expected:
        assert told[model] == pytest.approx([peak, ran], abs=0.1 * len(cells(shown, "in_flight")))


def test_what_is_stuck_is_not_in_flight(tmp_path: Path) -> None:
    """A job that never ends would raise the peak for good, as if the model were busier."""
    usual = [invocation(f"{n}", timedelta(hours=n), 600) for n in range(1, 200)]
    stuck = [invocation(f"stuck-{n}", timedelta(days=5, minutes=n), None) for n in range(7)]
    shown = figures(modelled_copy(tmp_path / "copy.duckdb", [*usual, *stuck]), 7)
    assert sum(shown["open_counts"]["stuck"]) == 7
    flights = cells(shown, "in_flight")
    assert {row["peak"] for row in flights} == {1}
    assert sum(row["seconds"] for row in flights) == pytest.approx(600 * 168, rel=0.01)


def test_what_vanished_is_not_in_flight_until_it_was_missed(tmp_path: Path) -> None:
    usual = [invocation(f"{n}", timedelta(hours=n), 600) for n in range(1, 200)]
    gone = invocation("gone", timedelta(days=6, minutes=5), None)
    copy = store(tmp_path / "copy.duckdb", [*usual, gone], vanished=["gone"])
    with copy.connect(read_only=False) as connection:
        connection.execute("update bedrock.async_invokes set observed_at = submit_time")
        connection.execute(
            "update bedrock.vanished_invokes set vanished_at = vanished_at - interval 3 day"
        )
    build_models(copy)
    flights = cells(figures(copy, 7), "in_flight")
    assert {row["peak"] for row in flights} == {1}
    assert sum(row["seconds"] for row in flights) == pytest.approx(600 * 168, rel=0.01)


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
    assert (shown["models"], shown["as_of_ms"], cells(shown, "counts")) == ([], None, [])
