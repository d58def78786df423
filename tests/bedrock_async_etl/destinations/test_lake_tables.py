"""Of a change log, what makes the tables of a lake gives the rows that are current."""

import duckdb
import pytest

from bedrock_async_etl.destinations.lake.tables import current_rows
from bedrock_async_invokes.columns import TABLES
from tests.sql.change_logs import CURRENT, LOGS, in_order


@pytest.mark.parametrize("name", TABLES)
def test_the_newest_version_of_each_row_is_current(name: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("create schema bedrock_log")
        connection.register("log", LOGS[name])
        connection.execute(f"create table bedrock_log.{name} as from log")
        for is_by_date in (False, True):
            select = current_rows(TABLES[name], is_by_date=is_by_date)
            found = connection.sql(select).to_arrow_table()
            assert found.column_names == LOGS[name].column_names
            assert in_order(name, found) == CURRENT[name].to_pylist()
