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
    (select epoch_ms(min(submit_time)) from bedrock_analytics.invocations) as first_ms
from bedrock_analytics.scopes
"""
VARIABLES: Final = """
set variable from_ms = (select min(from_ms) from report_periods where not is_previous);
set variable cut_dates = (
    select list_sort(array_agg(distinct cast(epoch_ms(from_ms) as date))) from report_periods
);
"""
NO_SIZES: Final = "select 0 as number, null as size limit 0"
"""A percentile of a report has no interval."""
FINISHED: Final = """
from ({placed}) as placed
semi join (from report_survivals where censored > 0) as censored
    on placed.number = censored.cohort
semi join (from report_cohorts where kind = 'day') as days
    on placed.number = days.number
where placed.ended > 0
"""
TABLES: Final = (
    ("table", "cut"),
    ("table", "buckets"),
    ("table", "hour_counts"),
    ("view", "latencies"),
    ("view", "hours"),
    ("table", "counts"),
    ("table", "members"),
    ("table", "cohorts"),
    ("view", "ages"),
)
"""What the other queries share, each after those that it reads."""
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
        "day_estimates": _columns(connection, "estimates", kind="day"),
        "day_finished": _columns(connection, "finished"),
        "period_estimates": _columns(connection, "estimates", kind="period"),
        "flight_hours": flight_hours,
        "in_flight": _columns(connection, "in_flight", hours=flight_hours),
        "reasons": _columns(connection, "reasons"),
        "examples": _columns(connection, "examples", limit=LISTED),
        "incidents": _columns(connection, "incidents", limit=LISTED),
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
    connection.execute(VARIABLES)
    parameters = {"from_ms": min(period.from_ms for period in chosen)}
    rows = connection.execute(_query("leaves"), parameters).fetchall()
    keys = keys_of(
        {(account, region, model): count for account, region, model, count in rows}, days
    )
    _create_table(connection, "report_leaves", keys.leaf_table())
    _create_table(connection, "report_selections", keys.selection_table())
    for macro in ("keyed", "whole", "dated", "parts"):
        connection.execute(f"create temp macro {macro}(name) as table {_query(macro)}")
    for kind, name in TABLES:
        connection.execute(f"create temp {kind} report_{name} as {_query(name)}")
    _estimate(connection)
    return keys


def _create_table(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    connection.register("arrow_rows", table)
    connection.execute(f"create temp table {name} as from arrow_rows")
    connection.unregister("arrow_rows")


def _estimate(connection: duckdb.DuckDBPyConnection) -> None:
    """Make tables of the failure risks and percentiles of all cohorts.

    Of dates on which any has no latency, those of finished ones alone differ, and have a table.
    """
    parts = {name: _query(f"risk_{name}") for name in ("hours", "ages", "latencies")}
    risks = statistic("failure_rates", **parts)
    connection.execute(f"create temp table report_risks as {risks}")
    placed = _query("placed")
    parts = {name: _query(name) for name in ("durations", "looked_into")}
    parts["cohorts"] = _query("numbered")
    parts["sizes"] = NO_SIZES
    for name, rows in (("survivals", placed), ("finished", FINISHED.format(placed=placed))):
        select = statistic("survivals", placed=rows, **parts)
        connection.execute(f"create temp table report_{name} as {select}")


def _flight_hours(keys: Keys, days: int) -> int:
    """The least hours per point of the chart that do not make it too much."""
    hours_in_all = len(set(keys.leaves.values())) * days * 24
    fitting = (each for each in STRETCHES_HOURS if hours_in_all / each <= CELLS_IN_FLIGHT)
    return next(fitting, STRETCHES_HOURS[-1])


def _columns(connection: duckdb.DuckDBPyConnection, query: str, **parameters: int | str) -> Columns:
    columns: Columns = connection.sql(_query(query), params=parameters).to_arrow_table().to_pydict()
    return columns


def _query(name: str) -> str:
    return (QUERIES / f"{name}.sql").read_text("utf-8")
