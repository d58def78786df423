"""A large table of a model is written where its rows differ from those that are computed."""

from collections.abc import Iterator
from datetime import date

import duckdb
import pytest

from bedrock_async_etl.destinations.database.model_tables import ModelTables

ROWS = """
select date '2026-03-01' + cast(number // 3 as integer) as day, number, 'as computed' as text
from range(9) as numbers (number)
"""
TABLE = "bedrock_analytics.days"
DATED = "day", "DATE"


@pytest.fixture
def tables() -> Iterator[ModelTables]:
    with duckdb.connect() as connection:
        made = ModelTables.of(connection)
        made.create("days", [ROWS])
        yield made


def places(tables: ModelTables) -> dict[int, int]:
    """By number: where its row is in the table."""
    return dict(tables.connection.sql(f"select number, rowid from {TABLE}").fetchall())


def rows(tables: ModelTables) -> list[tuple[date, int, str]]:
    return tables.connection.sql(f"from {TABLE} order by number").fetchall()


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ("update {table} set text = 'other' where number = 4", {4}),
        ("delete from {table} where number = 8", {8}),
        ("insert into {table} values ('2026-03-02', 10, 'more')", set()),
        ("insert into {table} values (null, 10, 'more')", set()),
        ("insert into {table} from {table} where number = 2", {2}),
        ("select 1", set()),
    ],
)
def test_the_rows_that_differ_are_replaced(
    tables: ModelTables, change: str, moved: set[int]
) -> None:
    before, expected = places(tables), rows(tables)
    tables.connection.execute(change.format(table=TABLE))
    assert tables.renew("days", [ROWS], DATED)
    assert rows(tables) == expected
    assert {number for number, place in places(tables).items() if before[number] != place} == moved


def test_portions_are_compared_together(tables: ModelTables) -> None:
    portions = [f"from ({ROWS}) where number {half}" for half in ("< 3", ">= 3")]
    assert tables.renew("days", portions, DATED)
    assert places(tables) == {number: number for number in range(9)}


@pytest.mark.parametrize(
    "change",
    [
        "update {table} set text = 'other' where day > '2026-03-01'",
        "alter table {table} add column more integer",
        "alter table {table} alter text type blob",
        "drop table {table}",
    ],
)
def test_a_table_that_is_mostly_other_is_left_alone(tables: ModelTables, change: str) -> None:
    tables.connection.execute(change.format(table=TABLE))
    there = tables.names()
    before = rows(tables) if there else []
    assert not tables.renew("days", [ROWS], DATED)
    assert tables.names() == there
    assert (rows(tables) if there else []) == before
