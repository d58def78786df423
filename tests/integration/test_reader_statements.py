"""What `export --readers` prints for a lake, run where the engine can be had."""

from datetime import timedelta
from typing import Any

import duckdb
import polars
import pytest

from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.export.readers import lake_relations, statements
from bedrock_async_etl.load import load
from bedrock_async_etl.models.build import build_models
from bedrock_emulator import Control
from tests.bedrock_async_etl.export.test_readers import blocks_of
from tests.conftest import ACCOUNT, NOW, REGION

pytestmark = pytest.mark.integration

COUNTS = "select status, count(*) from {} group by all order by all"


@pytest.fixture
def changed(bedrock: Control, lake: LakeDestination) -> LakeDestination:
    """A lake whose rows have changed since they were loaded first, with its models."""
    bedrock.populate(ACCOUNT, REGION, 3_000, NOW - timedelta(days=3), NOW + timedelta(days=1))
    for _ in range(3):
        load(lake)
        bedrock.advance(timedelta(hours=6))
    build_models(lake)
    return lake


def counted(lake: LakeDestination) -> list[tuple[Any, ...]]:
    with lake.connection() as connection:
        return connection.sql(COUNTS.format("bedrock.async_invokes")).fetchall()


@pytest.mark.filterwarnings("ignore::polars.exceptions.PerformanceWarning")
@pytest.mark.parametrize(
    "lake", [(each, "local") for each in ("parquet", "delta", "iceberg")], indirect=True, ids=str
)
def test_polars_reads_a_lake_by_its_statements(changed: LakeDestination) -> None:
    names: dict[str, Any] = {}
    exec(blocks_of(statements(lake_relations(changed)))["# Polars (Python)"], names)
    rows = names["async_invokes"].group_by("status").agg(polars.len()).sort("status").collect()
    assert rows.rows() == counted(changed)
    with changed.connection() as connection:
        for model in ("invocations", "model_summary", "failure_rate_daily"):
            stored = connection.sql(f"from bedrock_analytics.{model}").fetchall()
            assert names[model].select(polars.len()).collect().item() == len(stored)


@pytest.mark.parametrize("lake", [("parquet", "local")], indirect=True, ids=str)
def test_duckdb_and_spark_read_a_change_log_by_their_statements(changed: LakeDestination) -> None:
    from bedrock_async_etl.models.spark import spark_session

    blocks = blocks_of(statements(lake_relations(changed)))
    with duckdb.connect() as reader:
        reader.execute(blocks["-- DuckDB"])
        assert reader.sql(COUNTS.format("async_invokes")).fetchall() == counted(changed)
    spark = spark_session("local[1]")
    for statement in filter(str.strip, blocks["-- Spark"].split(";\n")):
        spark.sql(statement.rstrip().removesuffix(";"))
    rows = spark.sql(COUNTS.format("async_invokes").replace("group by all", "group by status"))
    assert sorted(tuple(row) for row in rows.collect()) == counted(changed)
