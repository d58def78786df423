"""What can be told without Spark: its SQL, the columns it has to make, and how it is reached."""

import sys
from pathlib import Path

import pytest

from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.models.build import in_order
from bedrock_async_etl.models.spark import spark_session
from bedrock_async_etl.models.spark_sql import columns_in_duckdb, to_spark, view_name
from bedrock_async_etl.models.sql_files import SqlFile, read_file, read_lake_views, read_models

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
    "nulls are last, as in DuckDB": (
        "select a from b.c order by a",
        "SELECT a FROM b__c AS c ORDER BY a NULLS LAST",
    ),
}


def file(folder: Path, sql: str, name: str = "own") -> SqlFile:
    path = folder / f"{name}.sql"
    path.write_text(sql)
    return read_file(path)


@pytest.mark.parametrize(("sql", "expected"), CARRIED_OVER.values(), ids=CARRIED_OVER)
def test_sql_is_carried_over(sql: str, expected: str, tmp_path: Path) -> None:
    assert to_spark(file(tmp_path, sql)) == expected


@pytest.mark.parametrize(
    "shipped", [*read_models(), *read_lake_views()], ids=lambda file: file.name
)
def test_all_that_is_shipped_is_carried_over(shipped: SqlFile) -> None:
    """sqlglot knows of nothing in it that Spark has not, and no table is left where it was."""
    sql = to_spark(shipped)
    assert all(view_name(table) in sql for table in shipped.reads)
    assert not any(".".join(table) in sql for table in shipped.reads)


def test_what_spark_has_not_is_told_with_its_file(tmp_path: Path) -> None:
    own = file(tmp_path, "select regexp_extract(a, 'x', 0, 'i') from b.c")
    with pytest.raises(
        CommandError, match=r"own.sql cannot be carried over to Spark: \S[^\n]+[^.]\.$"
    ):
        to_spark(own)


def test_columns_are_those_that_duckdb_would_make(tmp_path: Path) -> None:
    tables = {
        ("bedrock", "async_invokes"): {"region": "string", "submit_time": "timestamp"},
        ("", "quotas"): {"quota": "int", "until": "timestamp_ntz", "names": "array<string>"},
    }
    models = [
        file(tmp_path, "select *, 1 / 2 as half, true as yes from bedrock_analytics.sums", "all"),
        file(
            tmp_path,
            "select region, sum(quota) as quota, count(*), min(submit_time) as first, any_value("
            "submit_time at time zone 'UTC') as local, min(until) as until, min(names) as names, "
            "date '2026-03-01' as day from bedrock.async_invokes cross join quotas group by region",
            "sums",
        ),
    ]
    sums = {
        "region": "STRING",
        "quota": "DECIMAL(38, 0)",
        "count_star()": "BIGINT",
        "first": "TIMESTAMP",
        "local": "TIMESTAMP_NTZ",
        "until": "TIMESTAMP_NTZ",
        "names": "ARRAY<STRING>",
        "day": "DATE",
    }
    assert columns_in_duckdb(tables, in_order(models, tables)) == {
        "sums": sums,
        "all": sums | {"half": "DOUBLE", "yes": "BOOLEAN"},
    }


def test_what_duckdb_does_not_take_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    own = file(tmp_path, "select\n    no_such_column")
    with pytest.raises(CommandError, match=r"own.sql, line 2: Binder Error: "):
        columns_in_duckdb({}, [own])


@pytest.mark.parametrize("remote", [None, "sc://localhost"])
def test_without_spark_the_extra_is_named(
    remote: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    with pytest.raises(CommandError, match="install bedrock-async-etl with its extra `spark`"):
        spark_session(remote=remote)


def test_there_is_one_way_to_reach_spark() -> None:
    with pytest.raises(UsageError, match="give one of them"):
        spark_session("local[2]", "sc://localhost")
