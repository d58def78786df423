"""The copy for readers: whole, replaced at once, and only when it would be another one."""

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations.database import published_copy
from bedrock_async_etl.destinations.database.published_copy import Publisher
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import Interruption
from bedrock_async_etl.load import load
from bedrock_async_etl.models.refresh import refresh
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy, modelled_rows, query

OTHER_REGION = "eu-west-1"
COPIES = ".readers.duckdb.copies"


@pytest.fixture
def listed(bedrock: Control) -> Control:
    for region in (REGION, OTHER_REGION):
        bedrock.populate(ACCOUNT, region, 200, NOW - timedelta(days=3), NOW)
    return bedrock


@pytest.fixture
def file(database: Path) -> Path:
    folder = database.with_name("readers")
    folder.mkdir()
    return folder / "readers.duckdb"


def run(database: Path, file: Path, *arguments: str) -> Result:
    regions = ("--region", REGION, "--region", OTHER_REGION)
    place = (f"--database={database}", f"--publish={file}")
    return CliRunner().invoke(app, ["run", *place, *regions, *arguments])


def published(database: Path, file: Path, *arguments: str) -> dict[str, Any] | None:
    """The copy that a run has put in place; None where it left the one before."""
    before = file.stat().st_ino if file.exists() else None
    result = run(database, file, "--json", *arguments)
    found: dict[str, Any] | None = json.loads(result.stdout)["published"]
    assert ((file.stat().st_ino if file.exists() else None) == before) == (found is None)
    assert names(file) <= {file.name, COPIES}
    return found


def names(file: Path) -> set[str]:
    return {path.name for path in file.parent.iterdir()}


def test_a_run_publishes_the_database_and_says_so(
    listed: Control, database: Path, file: Path
) -> None:
    first = run(database, file)
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.splitlines()[-1].startswith(f"Published {file}, ")
    assert file.read_bytes() == database.read_bytes()
    assert_exact_copy(file, listed)
    listed.submit(ACCOUNT, REGION, submit_time=NOW)
    found = published(database, file)
    assert found is not None
    assert found == {
        "file": str(file),
        "bytes": file.stat().st_size,
        "seconds": found["seconds"],
        "error": None,
    }
    assert_exact_copy(file, listed)
    assert modelled_rows(file) == modelled_rows(database)


@pytest.mark.slow
def test_a_run_without_news_leaves_the_copy_as_it_is(
    listed: Control, database: Path, file: Path
) -> None:
    assert published(database, file)
    before = file.stat().st_mtime_ns
    assert published(database, file) is None
    assert file.stat().st_mtime_ns == before
    assert "Published" not in run(database, file).stdout
    lines = run(database, file, "--log-format=json").stderr.splitlines()
    assert "published" not in [json.loads(line)["event"] for line in lines]


@pytest.mark.integration
def test_every_kind_of_news_is_published_once(listed: Control, database: Path, file: Path) -> None:
    """Also where two runs are in the same second of the service's clock, as here."""

    def end_one() -> None:
        listed.advance(timedelta(hours=1))

    changes: list[Callable[[], Any]] = [
        lambda: listed.submit(ACCOUNT, REGION, submit_time=NOW, duration=timedelta(minutes=30)),
        end_one,
        lambda: listed.faults(region=OTHER_REGION, access_denied=True),
        lambda: listed.clear_faults(),
    ]
    published(database, file)
    for change in changes:
        change()
        assert [published(database, file) is None for _ in range(2)] == [False, True]
    [(outcomes,)] = query(file, "select list(distinct last_outcome) from bedrock_analytics.scopes")
    assert outcomes == ["ok"]


@pytest.mark.integration
def test_other_models_are_published(
    listed: Control, database: Path, file: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    published(database, file)
    for text in ("select 1 as a", "select 2 as a"):
        (own / "mine.sql").write_text(text)
        assert published(database, file, f"--models={own}")
        assert published(database, file, f"--models={own}") is None
        assert query(file, "from bedrock_analytics.mine") == [(int(text.split()[1]),)]
    assert published(database, file)


@pytest.mark.integration
def test_what_a_killed_run_did_not_publish_the_next_does(
    listed: Control, database: Path, file: Path
) -> None:
    """It may have stored rows, with or without its report, or the models alone."""
    published(database, file)
    listed.submit(ACCOUNT, REGION, submit_time=NOW)
    load(DuckDBDestination(database))
    refresh(DuckDBDestination(database))
    assert published(database, file)
    listed.submit(ACCOUNT, REGION, submit_time=NOW)
    load(DuckDBDestination(database))
    with DuckDBDestination(database).connect(read_only=False) as connection:
        connection.execute(
            "delete from bedrock.extract_runs where rowid = (select max(rowid) from "
            "bedrock.extract_runs)"
        )
    assert published(database, file)
    assert_exact_copy(file, listed)


@pytest.mark.integration
def test_a_file_that_is_not_the_last_copy_is_replaced(
    listed: Control, database: Path, file: Path
) -> None:
    published(database, file)
    file.unlink()
    assert published(database, file)
    file.write_text("no database")
    assert published(database, file)
    backup = file.read_bytes()
    listed.submit(ACCOUNT, REGION, submit_time=NOW)
    assert published(database, file)
    file.write_bytes(backup)
    assert published(database, file)


def killed_in_writing(path: Path) -> DuckDBDestination:
    """A database beside the log of a process that was killed, which makes a table in it."""
    destination, killed = DuckDBDestination(path), DuckDBDestination(path.with_name("killed"))
    with destination.connect(read_only=False) as connection:
        connection.execute("create table late as select 1 as number")
        shutil.copy(path, killed.database)
        shutil.copy(destination.log, killed.log)
    killed.database.replace(path)
    killed.log.replace(destination.log)
    return destination


@pytest.mark.slow
def test_a_copy_of_a_database_that_was_lost_stays(
    listed: Control, database: Path, file: Path
) -> None:
    """Also where what the service still lists was loaded anew, and a newer copy than a backup."""
    published(database, file)
    backup = database.read_bytes()
    listed.submit(ACCOUNT, REGION, submit_time=NOW)
    published(database, file)
    kept = file.read_bytes()
    message = f"Cannot publish {file}, which is as it was: it may have rows"

    def assert_kept() -> None:
        result = run(database, file)
        assert (result.exit_code, message in result.stderr) == (1, True)
        assert file.read_bytes() == kept

    database.unlink()
    listed.faults(access_denied=True)
    assert_kept()
    listed.faults()
    assert_kept()
    database.write_bytes(backup)
    assert_kept()
    database.write_bytes(kept)
    listed.submit(ACCOUNT, REGION, submit_time=NOW)
    assert published(database, file)


@pytest.mark.slow
def test_a_copy_without_rows_is_replaced(bedrock: Control, database: Path, file: Path) -> None:
    """Of accounts in which nothing was invoked yet, a failure is news all the same."""
    assert published(database, file)
    bedrock.faults(access_denied=True)
    assert f"Published {file}, " in run(database, file).stdout
    bedrock.faults()
    assert published(database, file)


@pytest.mark.slow
def test_a_file_that_cannot_be_read_stays_where_the_database_is_empty(
    listed: Control, database: Path, file: Path
) -> None:
    file.write_bytes(b"a backup, somehow")
    listed.faults(access_denied=True)
    assert "it may have rows" in run(database, file).stderr
    assert file.read_bytes() == b"a backup, somehow"
    file.unlink()
    assert f"Published {file}, " in run(database, file).stdout


@pytest.mark.slow
def test_the_log_of_a_killed_process_is_in_the_copy(
    listed: Control, database: Path, file: Path
) -> None:
    published(database, file)
    destination = killed_in_writing(database)
    file.unlink()
    assert Publisher(destination, file).publish()
    assert query(file, "from late") == [(1,)]
    assert (destination.log.exists(), names(file)) == (False, {file.name, COPIES})


@pytest.mark.slow
def test_the_log_of_somebody_who_wrote_to_the_copy_goes_with_it(
    listed: Control, database: Path, file: Path
) -> None:
    published(database, file)
    killed_in_writing(file.resolve())
    assert published(database, file)
    assert_exact_copy(file, listed)
    # DuckDB before 1.5 follows no link, and would read its log beside the next copy.
    log = file.with_name("readers.duckdb.wal")
    log.write_bytes(b"of such a one")
    assert published(database, file)
    assert not log.exists()
    assert_exact_copy(file, listed)
    assert query(file, "select count(*) from duckdb_tables() where table_name = 'late'") == [(0,)]


@pytest.mark.slow
def test_duckdb_follows_the_link_once(listed: Control, database: Path, file: Path) -> None:
    """Before it opens the file, which it does several times: it would mix two that are replaced."""
    published(database, file)
    seen = query(file, "select path, database_name from duckdb_databases() where path is not null")
    assert seen == [(str(file.resolve()), "readers")]
    with duckdb.connect() as connection:
        connection.execute(f"attach '{file}' as copy (read_only)")
        [(path,)] = connection.sql(
            "select path from duckdb_databases() where database_name = 'copy'"
        ).fetchall()
    assert path == str(file.resolve())


@pytest.mark.slow
def test_a_copy_is_named_by_its_link(listed: Control, database: Path, file: Path) -> None:
    """As a label of metrics, and in the report, where each copy would be another destination."""
    published(database, file)
    result = CliRunner().invoke(app, ["status", "--json", f"--database={file}"])
    assert json.loads(result.stdout)["destination"] == f"duckdb:{file}"


@pytest.mark.slow
def test_a_link_is_replaced_and_what_it_leads_to_stays_as_it_is(
    listed: Control, database: Path, file: Path
) -> None:
    """Also the log of that, which may be of somebody at work."""
    elsewhere = database.with_name("elsewhere.duckdb")
    with DuckDBDestination(elsewhere).connect(read_only=False) as connection:
        connection.execute("create table precious as select 1 as number")
    log = killed_in_writing(elsewhere).log
    kept = elsewhere.read_bytes(), log.read_bytes()
    file.symlink_to(elsewhere)
    assert published(database, file)
    assert (elsewhere.read_bytes(), log.read_bytes()) == kept
    assert file.read_bytes() == database.read_bytes()


@pytest.mark.parametrize("arguments", [["--no-models"], ["--shard=1/1"]])
def test_without_models_nothing_is_published(
    arguments: list[str], listed: Control, database: Path, file: Path
) -> None:
    assert published(database, file, *arguments) is None
    assert names(file) == set()


@pytest.mark.slow
def test_models_that_fail_leave_the_copy_of_those_before(
    listed: Control, database: Path, file: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.sql").write_text("select 1 as a, missing")
    published(database, file)
    listed.submit(ACCOUNT, REGION, submit_time=NOW)
    assert published(database, file, f"--models={own}") is None
    assert published(database, file)


@pytest.mark.slow
def test_a_check_that_does_not_hold_is_no_reason_to_keep_the_copy(
    listed: Control, database: Path, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "own" / "checks").mkdir(parents=True)
    (tmp_path / "own" / "checks" / "never.sql").write_text("-- Never.\nselect 1 as a")
    result = run(database, file, f"--models={tmp_path / 'own'}")
    assert (result.exit_code, result.stdout.count("Published")) == (1, 1)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("copy.duckdb", "--publish {path} is the database that is loaded, or a file of its own"),
        ("copy.duckdb.wal", "--publish {path} is the database that is loaded, or a file of its"),
        ("copy.duckdb.lock", "--publish {path} is the database that is loaded, or a file of its"),
        ("./linked", "--publish {path} is the database that is loaded, or a file of its own"),
        ("bedrock.duckdb", "The file cannot be called bedrock.duckdb: DuckDB would mix it up"),
        ("Bedrock_Analytics.v2.db", "The file cannot be called Bedrock_Analytics.v2.db: DuckDB"),
        ("missing/x.duckdb", "Cannot write --publish {path}: No such file or directory. Name a"),
        ("dlt", "--publish {path} is not a file: name one, such as DIR/bedrock_readers.duckdb."),
    ],
)
def test_a_file_that_cannot_be_the_copy_is_told_before_the_load(
    name: str, complaint: str, listed: Control, database: Path
) -> None:
    database.with_name("linked").symlink_to(database)
    database.with_name("dlt").mkdir(exist_ok=True)
    path = Path(database.parent, name)
    result = run(database, path)
    [line] = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (2, "")
    assert line.startswith(f"Error: {complaint.format(path=path)}")
    assert not database.exists()


def test_a_prefix_with_a_colon_and_a_lake_are_wrong_usage(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(database, Path("md:x"))
    assert (result.exit_code, result.stderr[:32]) == (2, "Error: md:x is no file to DuckDB")
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__PUBLISH", "readers.duckdb")
    lake = database.with_name("lake")
    result = CliRunner().invoke(app, ["run", f"--lake={lake}"])
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: --publish copies a DuckDB database, and {lake} is a lake, which is for any "
        "number of readers: leave --publish out.\n",
    )
    assert not lake.exists()


@pytest.mark.slow
def test_a_file_can_be_configured_and_no_other_variable_is_taken_for_it(
    listed: Control, database: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLISH", "1")
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__PUBLISH", str(file))
    CliRunner().invoke(app, ["run", f"--database={database}"])
    assert query(file, "select count(*) from bedrock.async_invokes") == [(200,)]
    assert not database.with_name("1").exists()


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail


@pytest.mark.slow
def test_a_failed_publication_fails_nothing_that_was_loaded(
    listed: Control, database: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run says so, exits with 1, and the next one makes up for it."""
    published(database, file)
    before, reason = file.read_bytes(), os.strerror(errno.ENOSPC)
    listed.submit(ACCOUNT, REGION, submit_time=NOW)
    metrics = database.with_name("bedrock.prom")
    with monkeypatch.context() as broken:
        full = OSError(errno.ENOSPC, reason)
        broken.setattr(published_copy, "link_to_copy", raising(full))
        result = run(database, file, f"--metrics={metrics}")
        document = json.loads(run(database, file, "--json").stdout)
    line = f"Cannot publish {file}, which is as it was: {reason}."
    assert (result.exit_code, result.stderr.splitlines()) == (1, [line])
    assert result.stdout.splitlines()[-1] == "Failed: the copy for readers was not published."
    assert "last_run_exit_code" in metrics.read_text()
    assert [each[-3:] for each in metrics.read_text().splitlines() if "_exit_code{" in each] == [
        "1.0"
    ]
    assert (document["exit_code"], document["published"]["error"]) == (1, f"{reason}.")
    assert file.read_bytes() == before
    assert_exact_copy(database, listed)
    assert published(database, file)
    assert_exact_copy(file, listed)


@pytest.mark.slow
def test_a_signal_ends_a_publication_and_its_run(
    listed: Control, database: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(DuckDBDestination(database))
    refresh(DuckDBDestination(database))
    monkeypatch.setattr(Interruption, "latest", Interruption(signal.SIGTERM))
    monkeypatch.setattr(published_copy, "link_to_copy", raising(OSError(errno.EINTR, "No.")))
    with pytest.raises(OSError, match=r"No\."):
        Publisher(DuckDBDestination(database), file).publish()
