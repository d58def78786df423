"""What is made is nobody else's to read, unless that is configured; links are not followed."""

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from bedrock_async_etl.cli import app
from bedrock_async_etl.configuration import private_files
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.atomic_write import replace
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.integration.budgets import cases

pytestmark = pytest.mark.integration

UMASK = "BEDROCK_ASYNC_ETL__UMASK"


@pytest.fixture(autouse=True)
def everybody_may_read() -> Iterator[None]:
    """The umask of a process that is careless."""
    before = os.umask(0)
    yield
    assert os.umask(before) == 0, "a command left its umask behind"


@pytest.fixture
def listed(bedrock: Control) -> Control:
    bedrock.populate(ACCOUNT, REGION, 400, NOW - timedelta(days=3), NOW)
    return bedrock


def invoke(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def modes(root: Path) -> dict[str, set[int]]:
    """Those of all that is under a folder, but for links, which have none of their own."""
    found = [path for path in root.rglob("*") if not path.is_symlink()]
    assert len(found) > 20
    return {
        "files": {mode(path) for path in found if path.is_file()},
        "folders": {mode(path) for path in found if path.is_dir()},
    }


@pytest.mark.parametrize(
    ("kind", "umask", "files", "folders"),
    cases(
        [
            ("duckdb", None, 0o600, 0o700),
            ("parquet", None, 0o600, 0o700),
            ("delta", None, 0o600, 0o700),
            ("duckdb", "027", 0o640, 0o750),
        ],
        [("parquet", None, 0o600, 0o700), ("duckdb", "027", 0o640, 0o750)],
    ),
)
def test_all_that_is_made_is_private_unless_that_is_configured(
    listed: Control,
    database: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    umask: str | None,
    files: int,
    folders: int,
) -> None:
    """The database or lake, dlt's working directory, locks."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    if umask:
        monkeypatch.setenv(UMASK, umask)
    place = f"--database={database}" if kind == "duckdb" else f"--lake={database.with_name('lake')}"
    run = ["run", place] + ([] if kind == "duckdb" else [f"--destination={kind}"])
    invoke(*run)
    listed.advance(timedelta(hours=5))
    invoke(*run)
    invoke("export", str(elsewhere / "export"), place)
    invoke("report", str(elsewhere / "report.html"), place)
    assert modes(database.parent) == {"files": {files}, "folders": {folders}}


@pytest.mark.parametrize(
    ("umask", "files", "folders"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)]
)
def test_what_is_for_others_is_as_private_as_the_caller_has_it(
    listed: Control, database: Path, umask: int, files: int, folders: int
) -> None:
    shared = database.with_name("shared")
    os.umask(umask)
    try:
        shared.mkdir()
        for _ in range(2):
            invoke("run", f"--database={database}", f"--publish={shared / 'readers.duckdb'}")
            invoke("export", str(shared / "export"), f"--database={database}")
            invoke("report", str(shared / "report.html"), f"--database={database}")
            listed.advance(timedelta(hours=5))
        made = modes(shared)
    finally:
        os.umask(0)
    assert made == {"files": {files}, "folders": {folders}}
    assert {mode(path) for path in database.parent.glob("copy.duckdb*")} == {0o600}


def test_what_duckdb_writes_beside_the_database_is_private(tmp_path: Path) -> None:
    path = tmp_path / "copy.duckdb"
    with private_files(), duckdb.connect(path) as connection:
        connection.execute("create table t as select 1")
        assert {mode(file) for file in tmp_path.iterdir()} == {0o600}
        assert (tmp_path / "copy.duckdb.wal").exists()


def test_metrics_are_for_another_user(listed: Control, database: Path) -> None:
    """There are counts in them, but no row of the copy."""
    metrics = database.with_name("bedrock.prom")
    invoke("run", f"--database={database}", f"--metrics={metrics}")
    assert (mode(metrics), mode(database)) == (0o644, 0o600)
    assert "arn:" not in metrics.read_text()


def test_what_is_there_keeps_its_mode(listed: Control, database: Path) -> None:
    report = database.with_name("report.html")
    invoke("run", f"--database={database}")
    invoke("report", str(report), f"--database={database}")
    for path in (database, report):
        path.chmod(0o644)
    listed.advance(timedelta(hours=5))
    invoke("run", f"--database={database}")
    invoke("report", str(report), f"--database={database}")
    assert (mode(database), mode(report)) == (0o644, 0o644)


@pytest.mark.parametrize("umask", ["77", "777", "0o077", "private", "-077"])
def test_what_is_no_umask_is_wrong_usage(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch, umask: str
) -> None:
    monkeypatch.setenv(UMASK, umask)
    result = CliRunner().invoke(app, ["run", f"--database={database}"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: bedrock_async_etl.umask is {umask!r}: it is text of")
    assert not database.exists()


@pytest.mark.parametrize("kind", ["duckdb", "lake"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_in_the_place_of_a_lock_is_refused(
    tmp_path: Path, kind: str, is_there: bool
) -> None:
    """Else whoever can write to the folder could have a file emptied, or made, elsewhere."""
    target = tmp_path / "elsewhere"
    if is_there:
        target.write_text("precious")
    destination: Destination = DuckDBDestination(tmp_path / "copy.duckdb")
    lock = tmp_path / "copy.duckdb.lock"
    if kind == "lake":
        (tmp_path / "lake").mkdir()
        destination = LakeDestination(str(tmp_path / "lake"), "parquet")
        lock = tmp_path / "lake" / ".bedrock_async_etl.lock"
    lock.symlink_to(target)
    with (
        pytest.raises(CommandError, match="Too many levels of symbolic links"),
        destination.locked(),
    ):
        pass
    assert (target.read_text() if is_there else target.exists()) == (
        "precious" if is_there else False
    )


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere", tmp_path / "report.html"
    target.write_text("precious")
    link.symlink_to(target)
    replace(link, b"page")
    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("precious", "page", False)


def test_a_link_in_the_place_of_what_is_exported_is_replaced_and_not_followed(
    listed: Control, database: Path
) -> None:
    export = database.with_name("export")
    invoke("run", f"--database={database}")
    invoke("export", str(export), f"--database={database}")
    exported, manifest = next(export.glob("async_invokes/*/*.parquet")), export / "_manifest.json"
    target = database.with_name("elsewhere")
    target.write_text("precious")
    for path in (exported, manifest):
        content = path.read_bytes()
        kept = database.with_name(f"kept-{path.name}")
        kept.write_bytes(content)
        path.unlink()
        path.symlink_to(target if path == exported else kept)
    listed.advance(timedelta(days=1))
    listed.submit(ACCOUNT, REGION, submit_time=NOW)
    invoke("run", f"--database={database}")
    invoke("export", str(export), f"--database={database}")
    assert target.read_text() == "precious"
    assert not exported.is_symlink()
    assert not manifest.is_symlink()
