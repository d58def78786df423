"""What `export --readers` prints for a lake, run where the engine can be had."""

import ast
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest

from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.export.readers import lake_relations, statements
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.bedrock_async_etl.export.test_readers import blocks_of
from tests.builds import build_models
from tests.conftest import ACCOUNT, NOW, REGION
from tests.integration.rest_catalog import PREFIX
from tests.integration.test_packages import run, uv

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
def test_duckdb_reads_a_change_log_by_its_statements(changed: LakeDestination) -> None:
    with duckdb.connect() as reader:
        reader.execute(blocks_of(statements(lake_relations(changed)))["-- DuckDB"])
        assert reader.sql(COUNTS.format("async_invokes")).fetchall() == counted(changed)


@pytest.mark.soak
@pytest.mark.parametrize("lake", [("parquet", "local")], indirect=True, ids=str)
def test_spark_reads_a_change_log_by_its_statements(changed: LakeDestination) -> None:
    from bedrock_async_etl.models.spark import spark_session

    blocks = blocks_of(statements(lake_relations(changed)))
    spark = spark_session("local[1]")
    for statement in filter(str.strip, blocks["-- Spark"].split(";\n")):
        spark.sql(statement.rstrip().removesuffix(";"))
    rows = spark.sql(COUNTS.format("async_invokes").replace("group by all", "group by status"))
    assert sorted(tuple(row) for row in rows.collect()) == counted(changed)


RELEASED = "1.5.5"
"""Of which the registry has the extensions, too."""
INSTALL = """
from duckdb_extensions import import_extension
for name in ("avro", "delta", "httpfs", "iceberg"):
    import_extension(name, force_install=True)
"""
READ = """
import sys, duckdb
connection = duckdb.connect()
connection.execute(sys.argv[1])
print(connection.sql(sys.argv[2]).fetchall())
"""


@pytest.fixture(scope="module")
def released_duckdb(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A Python that has a DuckDB with its extension for Iceberg, and a home of its own."""
    folder = tmp_path_factory.mktemp("released")
    python = folder / "bin" / "python"
    uv("venv", "--python", sys.executable, "--allow-existing", str(folder))
    names = ("avro", "delta", "httpfs", "iceberg")
    extensions = [f"duckdb-extension-{name}=={RELEASED}" for name in names]
    uv(
        "pip",
        "install",
        "--python",
        str(python),
        f"duckdb=={RELEASED}",
        "duckdb-extensions",
        *extensions,
    )
    run(folder, "env", f"HOME={folder}", python, "-c", INSTALL)
    return python, folder


@pytest.mark.soak
@pytest.mark.parametrize(
    "lake",
    [("delta", "local"), ("iceberg", "local"), ("iceberg", "rest")],
    indirect=True,
    ids="-".join,
)
def test_duckdbs_own_extensions_read_a_lake_by_its_statements(
    changed: LakeDestination, released_duckdb: tuple[Path, Path]
) -> None:
    python, home = released_duckdb
    block = blocks_of(statements(lake_relations(changed)))["-- DuckDB"]
    if changed.catalog:
        name, secret = os.environ[f"{PREFIX}CREDENTIAL"].split(":")
        filled_in = {
            "CLIENT_ID": name,
            "CLIENT_SECRET": secret,
            "OAUTH2_SERVER_URI": os.environ[f"{PREFIX}OAUTH2_SERVER_URI"],
            "WAREHOUSE": os.environ[f"{PREFIX}WAREHOUSE"],
            "CATALOG_URI": os.environ[f"{PREFIX}URI"],
        }
        for placeholder, text in filled_in.items():
            block = block.replace(f"'{placeholder}'", f"'{text}'")
    query = COUNTS.format("async_invokes")
    read = run(home, "env", f"HOME={home}", python, "-c", READ, block, query)
    assert ast.literal_eval(read) == counted(changed)
