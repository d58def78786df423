"""Of a change log, what makes the tables of a lake gives the rows that are current."""

import duckdb
import pytest

from bedrock_async_etl.models.sql_files import read_checks, read_lake_views, read_models
from tests.sql.change_logs import CURRENT, LOGS, in_order

VIEWS = {view.name: view for view in read_lake_views()}


def test_every_table_of_a_load_has_one() -> None:
    assert VIEWS.keys() == LOGS.keys()


def test_none_is_a_model_or_a_check() -> None:
    others = [*read_models(), *read_checks()]
    assert not VIEWS.keys() & {file.name for file in others}
    assert all(view.reads == {("bedrock_log", view.name)} for view in VIEWS.values())


@pytest.mark.parametrize("name", LOGS)
def test_the_newest_version_of_each_row_is_current(name: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("create schema bedrock_log")
        connection.register("log", LOGS[name])
        connection.execute(f"create table bedrock_log.{name} as from log")
        found = connection.sql(VIEWS[name].text).to_arrow_table()
    assert found.column_names == LOGS[name].column_names
    assert in_order(name, found) == CURRENT[name].to_pylist()
