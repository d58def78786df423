"""Names are names: of databases, lakes, models and columns; SQL is read from one's folder alone."""

import json
import os
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.export.readers import export_relations, statements
from bedrock_async_etl.models.sql_files import read_models
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, FORMATS, NOW, REGION
from tests.copies import query

pytestmark = pytest.mark.slow

HOSTILE = """a"b'; drop table bedrock.async_invokes; --"""


@pytest.fixture
def listed(bedrock: Control, database: Path) -> Control:
    bedrock.populate(ACCOUNT, REGION, 300, NOW - timedelta(days=3), NOW)
    return bedrock


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def own_models(database: Path, name: str = HOSTILE) -> Path:
    """A model and a check with names that would end a statement, were they part of one."""
    own = database.with_name(f"own {HOSTILE}")
    (own / "checks").mkdir(parents=True)
    counted = 'select count(*) as "a""b\'; --" from bedrock.async_invokes'
    (own / f"{name}.sql").write_text(
        f"-- It's one row; --\n--\n-- count: it's \"many\"; --\n{counted}"
    )
    (own / "checks" / f"{HOSTILE}.sql").write_text("-- It's none.\nselect 1 where false")
    return own


def test_models_and_databases_may_be_called_anything(listed: Control, database: Path) -> None:
    place, own = database.with_name(f"{HOSTILE}.duckdb"), own_models(database)
    for _ in range(2):
        result = invoke("run", f"--database={place}", f"--models={own}")
        assert result.exit_code == 0, result.output
    assert query(place, "select count(*) from bedrock.async_invokes") == [(300,)]
    name = HOSTILE.lower().replace('"', '""')
    assert query(place, f'from bedrock_analytics."{name}"') == [(300,)]
    assert invoke("status", f"--database={place}").exit_code == 0
    report = place.with_name(f"{HOSTILE}.html")
    assert invoke("report", str(report), f"--database={place}").exit_code == 0


def test_a_model_of_a_lake_has_a_plain_name(listed: Control, database: Path) -> None:
    """It is a folder there."""
    place = f"--lake={database.with_name('lake')}"
    result = invoke("run", place, f"--models={own_models(database)}")
    assert result.exit_code == 1
    assert "cannot be exported under that name: give it another" in result.stderr


@pytest.mark.parametrize("kind", ["parquet", *FORMATS])
def test_lakes_and_exports_may_be_called_anything(
    listed: Control, database: Path, kind: str
) -> None:
    name = f"lake [1]*? {HOSTILE}" if kind == "parquet" else "it's a lake; --"
    lake, own = database.with_name(name), own_models(database, "mine")
    place = f"--lake={lake}"
    for step in range(2):
        result = invoke("run", place, f"--destination={kind}", f"--models={own}")
        assert result.exit_code == 0, result.output
        assert f"Loaded {300 * (1 - step)} rows into" in result.stdout, result.stdout
    with LakeDestination(str(lake)).connection() as connection:
        assert connection.sql("from bedrock_analytics.mine").fetchall() == [(300,)]
        assert connection.sql("select count(*) from bedrock.async_invokes").fetchall() == [(300,)]


def test_what_a_first_export_prints_can_be_pasted(listed: Control, database: Path) -> None:
    assert invoke("run", f"--database={database}").exit_code == 0
    url = database.with_name(f"export {HOSTILE}")
    exported = invoke("export", str(url), f"--database={database}", "--readers", "--json")
    assert exported.exit_code == 0, exported.output
    readers = json.loads(exported.stdout)["readers"]
    own = readers.partition("\n\n-- Spark")[0]
    with duckdb.connect() as connection:
        connection.execute(own)
        assert connection.sql("select count(*) from async_invokes").fetchall() == [(300,)]


def test_a_folder_of_a_lake_is_a_name_too(listed: Control, database: Path) -> None:
    """Whoever can write to a lake names folders, and others read it."""
    lake = database.with_name("lake")
    assert invoke("run", f"--lake={lake}").exit_code == 0
    some = next((lake / "bedrock_analytics").glob("*/part-0.parquet"))
    planted = lake / "bedrock_analytics" / 'x" as select 1; create table planted as select 1; --'
    planted.mkdir()
    (planted / "part-0.parquet").write_bytes(some.read_bytes())
    with LakeDestination(str(lake)).connection() as connection:
        tables = connection.sql("select table_name from information_schema.tables").fetchall()
    assert (planted.name,) in tables
    assert ("planted",) not in tables


def test_a_link_out_of_the_folder_of_models_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.sql"
    elsewhere.write_text("select 1 as one")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.sql").symlink_to(elsewhere)
    with pytest.raises(CommandError, match=r"own/mine.sql is a link out of its folder"):
        read_models(tmp_path / "own")


def test_a_link_out_of_the_folder_ends_a_run_before_it_loads(
    listed: Control, database: Path
) -> None:
    own = database.with_name("own")
    own.mkdir()
    (own / "mine.sql").symlink_to(database.with_name("elsewhere.sql"))
    database.with_name("elsewhere.sql").write_text("select 1 as one")
    result = invoke("run", f"--database={database}", f"--models={own}")
    assert (result.exit_code, database.exists()) == (1, False)
    assert "is a link out of its folder" in result.stderr


def test_links_within_the_folder_and_to_it_are_followed(tmp_path: Path) -> None:
    """As a volume of Kubernetes has them: what it keeps for itself is hidden."""
    versions = tmp_path / "volume" / "..2026_03_31"
    versions.mkdir(parents=True)
    (versions / "mine.sql").write_text("select 1 as one")
    (tmp_path / "volume" / "..data").symlink_to("..2026_03_31")
    (tmp_path / "volume" / "mine.sql").symlink_to("..data/mine.sql")
    (tmp_path / "own").symlink_to("volume")
    own = [model for model in read_models(tmp_path / "own") if model.name == "mine"]
    assert [model.text for model in own] == ["select 1 as one"]


def test_nothing_is_read_from_the_working_directory(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where a variable that other programs use names it."""
    assert Path.cwd() == database.parent
    for folder in ("sql", "sql/checks", "models", "."):
        Path(folder).mkdir(exist_ok=True)
        Path(folder, "planted.sql").write_text("select * from nowhere")
    monkeypatch.setenv("MODELS", os.getcwd())
    monkeypatch.setenv("SQL", os.getcwd())
    result = invoke("run", f"--database={database}", "--json")
    assert result.exit_code == 0, result.output
    built = {model["name"] for model in json.loads(result.stdout)["models"]}
    assert (len(built), "planted" in built) == (len(read_models()), False)


def test_statements_of_an_export_quote_its_url() -> None:
    from datetime import UTC, datetime

    from bedrock_async_etl.export.manifest import Manifest, TableEntry

    table = TableEntry({"model_arn": "VARCHAR"}, None, [])
    manifest = Manifest(1, datetime.now(UTC), {"t": table})
    told = statements(export_relations(manifest, """s3://b/it's "x"\\"""))
    assert """read_parquet('s3://b/it''s "x"\\/t/*.parquet');""" in told
    assert r"""using parquet options (path 's3a://b/it\'s "x"\\/t', mergeSchema 'true');""" in told
    assert """LOCATION 's3://b/it''s "x"\\/t/';""" in told
