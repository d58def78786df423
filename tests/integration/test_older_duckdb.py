"""A new database is read by each DuckDB from the configured version on."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import load
from bedrock_async_etl.models.refresh import refresh
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import modelled_rows, query
from tests.integration.budgets import cases
from tests.integration.test_packages import run, uv

pytestmark = pytest.mark.integration

COUNTS = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
tables = "select schema_name || '.' || table_name from duckdb_tables() where schema_name = ?"
for schema in ("bedrock", "bedrock_analytics"):
    for (table,) in connection.execute(tables + " order by all", [schema]).fetchall():
        print(table, len(connection.execute(f"from {table}").fetchall()))
"""


@pytest.fixture
def loaded(bedrock: Control, database: Path) -> Path:
    """Rows and models that were written twice, the second time into an existing file."""
    bedrock.populate(ACCOUNT, REGION, 5_000, NOW - timedelta(days=9), NOW + timedelta(days=1))
    for _ in range(2):
        load(DuckDBDestination(database))
        assert refresh(DuckDBDestination(database)).exit_code == 0
        bedrock.advance(timedelta(hours=6))
    return database


@pytest.mark.parametrize("version", cases([("1.2.0",), ("1.4.4",)], [("1.2.0",)]))
def test_an_older_duckdb_reads_every_row_and_model(
    loaded: Path, tmp_path: Path, version: str
) -> None:
    python = tmp_path / "older" / "bin" / "python"
    uv("venv", "--python", sys.executable, str(tmp_path / "older"))
    # Arrow and time zones are the readers' own affair.
    uv("pip", "install", "--python", str(python), f"duckdb=={version}", "pytz")
    counts = dict(line.split() for line in run(tmp_path, python, "-c", COUNTS, loaded).splitlines())
    [(rows,)] = query(loaded, "select count(*) from bedrock.async_invokes")
    assert counts["bedrock.async_invokes"] == str(rows)
    models = {
        name.removeprefix("bedrock_analytics."): int(count)
        for name, count in counts.items()
        if name.startswith("bedrock_analytics.")
    }
    assert models == {name: len(rows) for name, rows in modelled_rows(loaded).items()}
