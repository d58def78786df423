"""What can be told without Spark: its SQL, the columns it has to make, and how it is reached."""

import sys

import pytest

from bedrock_async_etl.destinations.database.model_tables import EngineError
from bedrock_async_etl.destinations.lake.tables import current_rows
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.models.spark import spark_session
from bedrock_async_etl.models.spark_sql import spark_type, to_spark, view_name
from bedrock_async_etl.models.sql_files import SqlFile, read_models
from bedrock_async_invokes.columns import TABLES

CARRIED_OVER = {
    "a table goes on being called by its name": (
        "select scopes.region from bedrock_analytics.scopes",
        "SELECT scopes.region FROM bedrock_analytics__scopes AS scopes",
    ),
    "also where its schema is told": (
        "select bedrock.async_invokes.status from bedrock.async_invokes",
        "SELECT async_invokes.status FROM bedrock__async_invokes AS async_invokes",
    ),
    "or as it was called": (
        "select a.region from Bedrock.Async_Invokes as a",
        "SELECT a.region FROM bedrock__async_invokes AS a",
    ),
    "a common table expression may have the name of a table": (
        "with scopes as (select * from bedrock_analytics.scopes) select * from scopes",
        "WITH scopes AS (SELECT * FROM bedrock_analytics__scopes AS scopes) SELECT * FROM scopes",
    ),
    "which one has whose schema is not told": (
        "with quotas as (select * from main.quotas) select * from quotas, limits",
        "WITH quotas AS (SELECT * FROM main__quotas AS quotas)"
        " SELECT * FROM quotas, limits AS limits",
    ),
    "tables are found wherever they are": (
        "select 1 from a.b where x in (select x from a.c where c.x = b.x)"
        " union all select 2 from (select * from a.d)",
        "SELECT 1 FROM a__b AS b WHERE x IN (SELECT x FROM a__c AS c WHERE c.x = b.x)"
        " UNION ALL SELECT 2 FROM (SELECT * FROM a__d AS d)",
    ),
    "comments stay behind": (
        "-- One row, as in */ of C.\nselect 1 as a",
        "SELECT 1 AS a",
    ),
    "microseconds are counted by another name": (
        "select epoch_us(a) from b.c",
        "SELECT UNIX_MICROS(a) FROM b__c AS c",
    ),
    "nulls are last, as in DuckDB": (
        "select a from b.c order by a",
        "SELECT a FROM b__c AS c ORDER BY a NULLS LAST",
    ),
}


@pytest.mark.parametrize(("sql", "expected"), CARRIED_OVER.values(), ids=CARRIED_OVER)
def test_sql_is_carried_over(sql: str, expected: str) -> None:
    assert to_spark(sql) == expected


@pytest.mark.parametrize("shipped", read_models(), ids=lambda file: file.name)
def test_all_that_is_shipped_is_carried_over(shipped: SqlFile) -> None:
    """sqlglot knows of nothing in it that Spark has not, and no table is left where it was."""
    sql = to_spark(shipped.text)
    assert all(view_name(table) in sql for table in shipped.reads)
    assert not any(".".join(table) in sql for table in shipped.reads)
    assert "EPOCH_US" not in sql.upper()


@pytest.mark.parametrize("name", TABLES)
def test_the_current_rows_of_a_log_are_carried_over(name: str) -> None:
    assert f"FROM bedrock_log__{name}" in to_spark(current_rows(TABLES[name], is_by_date=True))


def test_what_spark_has_not_is_told() -> None:
    with pytest.raises(EngineError, match=r"^it cannot be carried over to Spark: \S[^\n]+[^.]$"):
        to_spark("select regexp_extract(a, 'x', 0, 'i') from b.c")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP"),
        ("TIMESTAMP", "TIMESTAMP_NTZ"),
        ("VARCHAR[]", "ARRAY<STRING>"),
        ("BIGINT", "BIGINT"),
    ],
)
def test_a_column_has_the_type_that_duckdb_would_make(kind: str, expected: str) -> None:
    assert spark_type(kind) == expected


@pytest.mark.parametrize("remote", [None, "sc://localhost"])
def test_without_spark_the_extra_is_named(
    remote: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(CommandError, match=r"install bedrock-async-etl\[spark\]"):
        spark_session(remote=remote)


def test_there_is_one_way_to_reach_spark() -> None:
    with pytest.raises(UsageError, match="give one of them"):
        spark_session("local[2]", "sc://localhost")
