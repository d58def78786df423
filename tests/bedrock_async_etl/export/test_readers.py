"""Statements for other engines: each parses in its dialect, and those of DuckDB run."""

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
import sqlglot
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.destinations.lake.formats import Layout
from bedrock_async_etl.export.readers import Relation, lake_relations, statements
from bedrock_async_invokes.columns import TABLES
from tests.builds import build_models
from tests.lakes import lake_of
from tests.sql.given import make_database

DIALECTS = {
    "-- DuckDB": "duckdb",
    "-- Spark": "spark",
    "-- Athena": "athena",
    "-- Trino": "trino",
    "-- Snowflake": "snowflake",
}
COLUMNS = {"invocation_arn": "VARCHAR", "observed_at": "TIMESTAMP WITH TIME ZONE", "n": "BIGINT[]"}


def blocks_of(text: str) -> dict[str, str]:
    """The statements of each engine."""
    found = (block.partition("\n") for block in text.rstrip().split("\n\n"))
    return {title: block for title, _, block in found}


def relation(layout: Layout, place: str, catalog: str | None = None) -> Relation:
    dated = "submit_date" if layout == "dates" else None
    kind = "rest" if catalog == "polaris" else catalog or "sql"
    metadata = f"{place}/metadata/7.metadata.json"
    return Relation(
        "async_invokes", DATASET_NAME, COLUMNS, place, layout, dated, catalog, kind, metadata
    )


@pytest.mark.parametrize("place", ["/data/lake/bedrock/async_invokes", "s3://b/lake/bedrock/t"])
@pytest.mark.parametrize("catalog", [None, "glue", "polaris"])
@pytest.mark.parametrize("layout", ["files", "dates", "log", "delta", "iceberg"])
def test_each_statement_parses_in_its_dialect(
    layout: Layout, catalog: str | None, place: str
) -> None:
    blocks = blocks_of(statements([relation(layout, place, catalog)]))
    assert blocks.keys() == {*DIALECTS, "# Polars (Python)"}
    for title, dialect in DIALECTS.items():
        parsed = sqlglot.parse(blocks[title], dialect=dialect)
        is_elsewhere = layout == "iceberg" and catalog != "glue"
        assert any(parsed) or (title == "-- Athena" and is_elsewhere)
    compile(blocks["# Polars (Python)"], "polars", "exec")


@pytest.mark.parametrize(
    ("kind", "athena", "trino"),
    [
        ("FLOAT", "float", "real"),
        ("INTEGER", "int", "integer"),
        ("BLOB", "binary", "varbinary"),
        ("BIGINT[]", "array<bigint>", "array(bigint)"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp", "timestamp"),
        ("DECIMAL(18,3)", "decimal(18, 3)", "decimal(18, 3)"),
    ],
)
def test_a_column_has_the_type_that_an_engine_knows(kind: str, athena: str, trino: str) -> None:
    table = replace(relation("files", "s3://b/export/mine"), columns={"one": kind})
    blocks = blocks_of(statements([table]))
    assert f"`one` {athena}" in blocks["-- Athena"]
    assert f'"one" {trino}' in blocks["-- Trino"]


def test_a_change_log_has_a_view_of_its_current_rows_for_every_engine() -> None:
    blocks = blocks_of(statements([relation("log", "s3://b/lake/bedrock/async_invokes")]))
    for title in DIALECTS:
        order = blocks[title].replace('"', "").replace("`", "")
        assert "order by observed_at desc, _dlt_load_id desc" in order
        assert "where nth_newest = 1" in blocks[title]


@pytest.mark.slow
def test_the_statements_for_duckdb_read_a_lake_as_the_lake_does(tmp_path: Path) -> None:
    database = make_database(tmp_path / "given.duckdb", "some are still open")
    lake = lake_of(database, tmp_path / "lake", "parquet")
    build_models(lake)
    own = blocks_of(statements(lake_relations(lake)))["-- DuckDB"]
    names = [*TABLES, "invocations", "model_summary", "failure_rate_daily"]
    with duckdb.connect() as reader, lake.connection() as connection:
        reader.execute(own)
        for name in names:
            schema = DATASET_NAME if name in TABLES else ANALYTICS_NAME
            theirs = reader.sql(f"from {name} order by all").fetchall()
            assert theirs == connection.sql(f"from {schema}.{name} order by all").fetchall()


def test_the_command_prints_them_for_a_lake_and_needs_a_place_for_an_export(tmp_path: Path) -> None:
    database = make_database(tmp_path / "given.duckdb", "some are still open")
    lake = lake_of(database, tmp_path / "lake", "parquet")
    invoke = CliRunner().invoke
    told = invoke(app, ["export", "--readers", "--lake", lake.url])
    assert told.exit_code == 0
    assert told.stdout == statements(lake_relations(lake))
    document = json.loads(invoke(app, ["export", "--readers", "--lake", lake.url, "--json"]).stdout)
    assert document == {"readers": told.stdout, "exit_code": 0}
    nowhere = invoke(app, ["export", "--lake", lake.url])
    assert nowhere.exit_code == 2
    assert "Where to? Give a folder, or s3://BUCKET/PATH." in nowhere.stderr
    of_a_file = invoke(app, ["export", "--readers", "--database", str(database)])
    assert of_a_file.exit_code == 2
    assert "is for a lake: engines open a DuckDB file as it is" in of_a_file.stderr
