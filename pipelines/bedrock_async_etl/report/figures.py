"""The figures of a page, read from the models: plain columns, ready to be JSON."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from bedrock_async_etl.report.periods import HOUR_MS, Period, hour_parts, periods

QUERIES: Final = Path(__file__).with_name("queries")
LISTED: Final = 500
"""Maximum rows of a table of single invocations."""
BUCKETS: Final = 4_400
"""More than the possible buckets of latencies."""
AGES: Final = 1_000
"""Maximum ages that divide buckets."""
CELLS: Final = 2_000_000
"""Maximum rows of latencies, which keeps a page of forty scopes below four megabytes."""
STEPS: Final = ((1, 1), (1, 2), (7, 2), (28, 2), (364, 2))
"""Days of a bin of latencies and per cent of a bucket, the finest first."""

NEWEST: Final = """
select
    epoch_ms(max(as_of)) as as_of_ms,
    (select epoch_ms(min(submit_time)) from bedrock_analytics.invocations) as first_ms
from bedrock_analytics.scopes
"""
INVOCATIONS: Final = """
select cast(coalesce(sum(invocations), 0) as bigint) as number
from report_submitted
where bin >= $first_bin
"""
LABELS: Final = "select distinct {key}, {label} from report_leaves order by {key}"
"""Labels of a dimension; the key of each is its place."""
LEAVES: Final = "select account, region, model from report_leaves order by leaf"
TABLES: Final = (("counts", 1), ("durations", BUCKETS + AGES), ("in_flight", 1))
"""Tables whose rows can be added up, and their numbers of buckets."""
PACKED: Final = "select * exclude (cell) from packed('report_{name}', {buckets}) order by cell"
Columns = dict[str, list[Any]]


def read_figures(connection: duckdb.DuckDBPyConnection, days: int) -> dict[str, Any]:
    """The figures of a page of so many days, from the models of a connection.

    Times are milliseconds since 1970. A leaf is an account, region and model; a key of -1 stands
    for several. `cells` has what adds up, by leaf, outcome and bin of `HourPart`.
    """
    [(as_of_ms, first_ms)] = connection.execute(NEWEST).fetchall()
    now_ms = as_of_ms or time.time_ns() // 1_000_000
    chosen = periods(days, now_ms)
    _prepare(connection, chosen, now_ms)
    [invocations] = _select(connection, INVOCATIONS, first_bin=chosen[-1].first_bin)["number"]
    return {
        "as_of_ms": as_of_ms,
        "first_ms": first_ms,
        "periods": [_period(period, first_ms) for period in chosen],
        "accounts": _labels(connection, "account", "account_id"),
        "regions": _labels(connection, "region", "region_name"),
        "models": _labels(connection, "model", "model_id"),
        "leaves": _select(connection, LEAVES),
        "outcomes": _columns(connection, "outcomes"),
        "examples": _columns(connection, "examples", limit=LISTED),
        "incidents": _columns(connection, "incidents", limit=LISTED),
        "open_counts": _columns(connection, "open_counts"),
        "open_before": _columns(connection, "open_before"),
        "open_invocations": _columns(connection, "open_invocations", limit=LISTED),
        "freshness": _columns(connection, "freshness"),
        "invocations": invocations,
        "cells": _cells(connection, chosen, now_ms),
    }


def _period(period: Period, first_ms: int | None) -> dict[str, Any]:
    """A period; it has a previous one if all of that can have been loaded."""
    has_previous = first_ms is not None and first_ms <= period.before_ms
    return {
        "days": period.days,
        "from_ms": period.from_ms,
        "before_ms": period.before_ms,
        "has_previous": has_previous,
    }


def _prepare(connection: duckdb.DuckDBPyConnection, chosen: Sequence[Period], now_ms: int) -> None:
    """Make the tables and macros that the queries share."""
    for name, value in _shape(chosen, now_ms).items():
        connection.execute(f"set variable {name} = {value}")
    _create_table(connection, "periods", pa.Table.from_pylist([vars(each) for each in chosen]))
    _create_parts(connection, chosen, now_ms, step_days=1)
    connection.execute(f"create temp macro hour_part(instant) as ({_query('hour_part')})")
    connection.execute(f"create temp macro bucket_of(duration_ms) as ({_query('bucket_of')})")
    connection.execute(f"create temp macro latency_ms(seconds) as ({_query('latency_ms')})")
    _create(connection, "submitted")
    _create(connection, "leaves")
    connection.execute(f"create temp macro keyed(name) as table {_query('keyed')}")
    connection.execute(f"create temp macro packed(name, buckets) as table {_query('packed')}")
    _create(connection, "outcomes")


def _labels(connection: duckdb.DuckDBPyConnection, key: str, label: str) -> list[str | None]:
    labels: list[str | None] = _select(connection, LABELS.format(key=key, label=label))[label]
    return labels


def _shape(chosen: Sequence[Period], now_ms: int) -> dict[str, int]:
    """The variables of the queries: what they count from, and number cells by."""
    first_bin, last_part = 2 * (chosen[-1].before_ms // HOUR_MS), 2 * (now_ms // HOUR_MS) + 1
    return {
        "from_ms": chosen[-1].from_ms,
        "before_ms": chosen[-1].before_ms,
        "minute_ms": now_ms % HOUR_MS,
        "last_part": last_part,
        "first_bin": first_bin,
        "bins": last_part - first_bin + 1,
        "buckets": BUCKETS,
        "ages": AGES,
    }


def _create_parts(
    connection: duckdb.DuckDBPyConnection, chosen: Sequence[Period], now_ms: int, step_days: int
) -> None:
    parts = [vars(part) for part in hour_parts(chosen, now_ms, step_days)]
    _create_table(connection, "parts", pa.Table.from_pylist(parts))


def _create_table(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    connection.register("arrow_rows", table)
    connection.execute(f"create or replace temp table report_{name} as from arrow_rows")
    connection.unregister("arrow_rows")


def _create(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Make a table of a query; returns the number of its rows."""
    select = f"create or replace temp table report_{name} as {_query(name)}"
    [(rows,)] = connection.execute(select).fetchall()
    return int(rows)


def _cells(
    connection: duckdb.DuckDBPyConnection, chosen: Sequence[Period], now_ms: int
) -> dict[str, Any]:
    """The tables that add up: see `packed.sql`. Latencies are in the finest steps that fit."""
    for step_days, width in STEPS:
        if step_days > 1:  # those of a day are there
            _create_parts(connection, chosen, now_ms, step_days)
        connection.execute(f"set variable width = {width}")
        _create(connection, "ages")
        _create(connection, "places")
        if _create(connection, "durations") <= CELLS:
            break
    _create(connection, "counts")
    _create(connection, "in_flight")
    tables = {
        name: _integers(connection, PACKED.format(name=name, buckets=buckets))
        for name, buckets in TABLES
    }
    ages = [age for age, _ in connection.execute("from report_ages order by age_ms").fetchall()]
    shape = _shape(chosen, now_ms)
    return {
        "first_bin": shape["first_bin"],
        "bins": shape["bins"],
        "buckets": BUCKETS + AGES,
        "ages": ages,
        "width": width,
        "step_days": step_days,
        **tables,
    }


def _integers(connection: duckdb.DuckDBPyConnection, select: str) -> Columns:
    """The columns of a query of whole numbers: millions of them, which pyarrow makes slowly."""
    table = connection.sql(select).to_arrow_table()
    arrays = {name: table[name].combine_chunks() for name in table.column_names}
    return {
        name: memoryview(array.buffers()[1]).cast("q")[: len(array)].tolist() if len(array) else []
        for name, array in arrays.items()
    }


def _columns(connection: duckdb.DuckDBPyConnection, query: str, **parameters: int) -> Columns:
    return _select(connection, _query(query), **parameters)


def _select(connection: duckdb.DuckDBPyConnection, select: str, **parameters: int) -> Columns:
    columns: Columns = connection.sql(select, params=parameters).to_arrow_table().to_pydict()
    return columns


def _query(name: str) -> str:
    return (QUERIES / f"{name}.sql").read_text("utf-8")
