"""The figures of a page, read from the models: plain columns, ready to be JSON."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from bedrock_async_etl.models.statistics import statistic
from bedrock_async_etl.report.keys import Keys, keys_of
from bedrock_async_etl.report.periods import DAY_MS, Period, periods

QUERIES: Final = Path(__file__).with_name("queries")
CELLS_IN_FLIGHT: Final = 30_000
"""Maximum points of the chart of invocations in flight."""
STRETCHES_HOURS: Final = (1, 2, 3, 6, 12, 24)
LISTED: Final = 500
"""Maximum rows of a table of single invocations."""

NEWEST: Final = """
select
    epoch_ms(max(as_of)) as as_of_ms,
    (select min(submitted_ms) from bedrock_analytics.lifetimes) as first_ms
from bedrock_analytics.scopes
"""
LONGEST_PERIOD: Final = """
set variable from_ms = (select min(from_ms) from report_periods where not is_previous)
"""
DAY_COHORTS: Final = """
select day as cohort, * from report_invocations
where day >= getvariable('from_ms') // 86_400_000
"""
PERIOD_INVOCATIONS: Final = """
create temp view report_period_invocations as
select periods.cohort, invocations.*
from report_invocations as invocations
inner join report_periods as periods
    on invocations.submitted_ms >= periods.from_ms
    and invocations.submitted_ms < periods.until_ms
"""

Columns = dict[str, list[Any]]


def read_figures(connection: duckdb.DuckDBPyConnection, days: int) -> dict[str, Any]:
    """The figures of a page of so many days, from the models of a connection.

    Times are milliseconds since 1970, dates are days since then, and a key of -1 is all accounts,
    regions or models.
    """
    [(as_of_ms, first_ms)] = connection.execute(NEWEST).fetchall()
    chosen = periods(days, as_of_ms or time.time_ns() // 1_000_000)
    keys = _prepare(connection, days, chosen)
    flight_hours = _flight_hours(keys, days)
    return {
        "as_of_ms": as_of_ms,
        "first_ms": first_ms,
        "periods": [_period(period, first_ms) for period in chosen if not period.is_previous],
        "accounts": keys.accounts,
        "regions": keys.regions,
        "models": keys.models,
        "days": _columns(connection, "days"),
        "totals": _columns(connection, "totals"),
        "day_latencies": _percentiles(connection, DAY_COHORTS),
        "period_latencies": _percentiles(connection, "from report_period_invocations"),
        "flight_hours": flight_hours,
        "in_flight": _columns(connection, "in_flight", hours=flight_hours),
        "reasons": _columns(connection, "reasons"),
        "examples": _columns(connection, "examples", limit=LISTED),
        "spikes": _columns(connection, "spikes", limit=LISTED),
        "open_counts": _columns(connection, "open_counts"),
        "open_before": _columns(connection, "open_before"),
        "open_invocations": _columns(connection, "open_invocations", limit=LISTED),
        "freshness": _columns(connection, "freshness"),
    }


def _period(period: Period, first_ms: int | None) -> dict[str, Any]:
    """A period; it has a previous one if all of that can have been loaded."""
    begin = period.from_ms - period.days * DAY_MS
    return {
        "cohort": period.cohort,
        "days": period.days,
        "from_ms": period.from_ms,
        "has_previous": first_ms is not None and first_ms <= begin,
    }


def _prepare(connection: duckdb.DuckDBPyConnection, days: int, chosen: Sequence[Period]) -> Keys:
    """Make the tables that the queries share."""
    table = pa.Table.from_pylist([vars(period) for period in chosen])
    _create_table(connection, "report_periods", table)
    connection.execute(LONGEST_PERIOD)
    parameters = {"from_ms": min(period.from_ms for period in chosen)}
    rows = connection.execute(_query("leaves"), parameters).fetchall()
    keys = keys_of(
        {(account, region, model): count for account, region, model, count in rows}, days
    )
    _create_table(connection, "report_leaves", keys.leaf_table())
    _create_table(connection, "report_selections", keys.selection_table())
    connection.execute(f"create temp macro keyed(name) as table {_query('keyed')}")
    connection.execute(f"create temp table report_invocations as {_query('invocations')}")
    connection.execute(PERIOD_INVOCATIONS)
    return keys


def _create_table(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    connection.register("arrow_rows", table)
    connection.execute(f"create temp table {name} as from arrow_rows")
    connection.unregister("arrow_rows")


def _percentiles(connection: duckdb.DuckDBPyConnection, cohorts: str) -> Columns:
    views = {
        "latencies": statistic("latencies", measured=_query("measured")),
        "survivals": statistic("survivals", subjects=_query("subjects")),
    }
    connection.execute(f"create or replace temp view report_cohorts as {cohorts}")
    connection.execute(f"create or replace temp table report_members as {_query('members')}")
    for name, select in views.items():
        connection.execute(f"create or replace temp view report_{name} as {select}")
    return _columns(connection, "percentiles")


def _flight_hours(keys: Keys, days: int) -> int:
    """The least hours per point of the chart that do not make it too much."""
    hours_in_all = len(set(keys.leaves.values())) * days * 24
    fitting = (each for each in STRETCHES_HOURS if hours_in_all / each <= CELLS_IN_FLIGHT)
    return next(fitting, STRETCHES_HOURS[-1])


def _columns(connection: duckdb.DuckDBPyConnection, query: str, **parameters: int) -> Columns:
    columns: Columns = connection.sql(_query(query), params=parameters).to_arrow_table().to_pydict()
    return columns


def _query(name: str) -> str:
    return (QUERIES / f"{name}.sql").read_text("utf-8")
