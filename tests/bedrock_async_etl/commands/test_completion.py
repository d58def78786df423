"""Completion in the shell, as bash asks for it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.holders import held

CODE = "from bedrock_async_etl.cli import app; app(prog_name='bedrock-async-etl')"
MODELS = """
create schema bedrock_analytics;
create table bedrock_analytics.scopes as from (values ('us-east-1'), ('eu-west-1')) as t(region);
"""
VARIABLE = "_BEDROCK_ASYNC_ETL_COMPLETE"


def complete(
    line: str, folder: Path, variables: Mapping[str, str] | None = None
) -> tuple[list[str], str]:
    """The words that a shell in the folder is offered at the end of a line, and stderr."""
    words = f"bedrock-async-etl {line}"
    asked = {VARIABLE: "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        env={**os.environ, **asked, "HOME": str(folder), **(variables or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split(), done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a database that has the models that are looked up, and no others."""
    with duckdb.connect(tmp_path / "copy.duckdb") as connection:
        connection.execute(MODELS)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("place", ["--database copy.duckdb", "--lake lake"])
def test_regions_and_models_complete_from_the_copy_that_the_line_names(
    bedrock: Control, database: Path, place: str
) -> None:
    folder = database.parent
    submitted = NOW - timedelta(hours=1)
    bedrock.submit(ACCOUNT, REGION, submit_time=submitted, model_id="luma.ray-v2:0")
    run = ["run", *place.split(), f"--region={REGION}", "--region=eu-west-1"]
    assert CliRunner().invoke(app, run).exit_code == 0
    assert complete(f"run {place} --region ", folder) == (["eu-west-1", REGION], "")
    assert complete(f"verify {place} --region eu", folder) == (["eu-west-1"], "")
    assert complete(f"check {place} --max-p95 ", folder) == (["luma.ray-v2:0="], "")
    assert complete(f"report page.html {place} --quota lu", folder) == (["luma.ray-v2:0="], "")


def test_a_copy_that_is_configured_completes_too(folder: Path) -> None:
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "config.toml").write_text('[bedrock_async_etl]\ndatabase = "copy.duckdb"\n')
    assert complete("run --region us", folder) == ([REGION], "")
    elsewhere = {"BEDROCK_ASYNC_ETL__DATABASE": "none.duckdb"}
    assert complete("run --region us", folder, elsewhere) == ([], "")


def test_where_there_is_no_copy_to_read_nothing_completes_silently(tmp_path: Path) -> None:
    (tmp_path / "text.duckdb").write_text("no database")
    (tmp_path / "folder").mkdir()
    places = (
        "--database none.duckdb",
        "--database text.duckdb",
        "--database folder",
        "--database md:cloud",
        "--lake none",
        "--lake folder",
        "--lake s3://bucket/lake",
    )
    before = sorted(tmp_path.rglob("*"))
    for place in places:
        assert complete(f"run {place} --region ", tmp_path) == ([], ""), place
    assert sorted(tmp_path.rglob("*")) == before


def test_a_database_that_is_held_or_has_no_models_completes_nothing(folder: Path) -> None:
    database = folder / "copy.duckdb"
    line = "run --database copy.duckdb --region "
    with held(database, read_only=False):
        assert complete(line, folder) == ([], "")
    with duckdb.connect(database) as connection:
        connection.execute("drop schema bedrock_analytics cascade")
    assert complete(line, folder) == ([], "")


def test_options_with_a_fixed_set_of_values_complete_them(tmp_path: Path) -> None:
    assert complete("check --per ", tmp_path) == (["scope", "region", "model", "all"], "")
    assert complete("run --failure-message re", tmp_path) == (["redact"], "")


def test_completion_does_not_import_what_takes_long(folder: Path) -> None:
    code = (
        f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {CODE}"
    )
    words = "bedrock-async-etl run --database copy.duckdb --region "
    asked = {VARIABLE: "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "5"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["eu-west-1", REGION]
    assert set(done.stderr.split()) & {"dlt", "pyarrow", "botocore", "rich"} == set()
