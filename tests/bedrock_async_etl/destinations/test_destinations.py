"""A destination is held by one run at a time, and is the only truth about its progress."""

import errno
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Literal

import duckdb
import pytest
from filelock import FileLock

from bedrock_async_etl import destinations
from bedrock_async_etl.destinations import (
    Destination,
    existing_destination,
    find_destination,
    find_kind,
    is_lake,
)
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.dlt_state import BUILDS_ON, settle
from bedrock_async_etl.errors import BusyError, CommandError, UsageError
from bedrock_async_etl.load import RunResult, load
from bedrock_async_etl.models.refresh import refresh
from bedrock_async_etl.options import DESTINATIONS, DestinationOptions
from bedrock_async_etl.status import read_status
from bedrock_async_invokes import Extraction, RunContext, extraction_source
from bedrock_async_invokes.options import LoadOptions
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy, stored_rows


@pytest.fixture
def listed(bedrock: Control) -> Control:
    bedrock.populate(ACCOUNT, REGION, 3_000, NOW - timedelta(days=3), NOW + timedelta(days=3))
    return bedrock


def run(database: Path) -> RunResult:
    return load(DuckDBDestination(database), slice_rows=1_000)


@pytest.mark.slow
def test_a_lost_working_directory_is_restored_from_the_database(
    listed: Control, database: Path
) -> None:
    run(database)
    shutil.rmtree(DuckDBDestination(database).working_directory)
    assert run(database).rows_loaded == 0
    listed.advance(timedelta(hours=2))
    run(database)
    assert_exact_copy(database, listed)


@pytest.mark.slow
def test_a_deleted_database_gets_everything_again(listed: Control, database: Path) -> None:
    run(database)
    database.unlink()
    listed.advance(timedelta(hours=2))
    assert run(database).rows_loaded == len(listed.listing(ACCOUNT, REGION))
    assert_exact_copy(database, listed)


@pytest.mark.slow
def test_a_second_database_has_progress_of_its_own(listed: Control, database: Path) -> None:
    run(database)
    second = database.with_name("second.duckdb")
    assert run(second).rows_loaded == len(listed.listing(ACCOUNT, REGION))
    assert_exact_copy(second, listed)


@pytest.mark.slow
def test_a_database_restored_from_a_backup_catches_up(listed: Control, database: Path) -> None:
    run(database)
    backup = database.with_name("backup.duckdb")
    shutil.copy(database, backup)
    listed.advance(timedelta(hours=9))
    run(database)
    shutil.copy(backup, database)
    run(database)
    assert_exact_copy(database, listed)


def test_a_merge_that_fails_halfway_leaves_the_rows_as_they_were(
    bedrock: Control, database: Path
) -> None:
    """It has deleted them by the time that it inserts: both ended in the same moment."""
    for _ in range(2):
        bedrock.submit(ACCOUNT, REGION, submit_time=NOW, duration=timedelta(hours=1))
    run(database)
    before = stored_rows(database)
    with duckdb.connect(database) as connection:
        connection.execute("create unique index ends on bedrock.async_invokes (end_time)")
    bedrock.advance(timedelta(hours=2))
    with pytest.raises(CommandError, match="Constraint"):
        run(database)
    assert stored_rows(database) == before


def leave_a_package(database: Path) -> None:
    """What a run leaves that is killed just before it writes to the database."""
    with (
        DuckDBDestination(database).load_session() as session,
        Extraction(RunContext(LoadOptions())) as extraction,
    ):
        settled = settle(session.pipeline, session.destination.working_directory, session.writing)
        pipeline = settled.pipeline
        pipeline.set_local_state_val(BUILDS_ON, settled.version)
        pipeline.extract(extraction_source(extraction))
        pipeline.normalize()


@pytest.mark.slow
def test_a_package_that_a_killed_run_left_is_loaded(listed: Control, database: Path) -> None:
    run(database)
    listed.advance(timedelta(hours=9))
    leave_a_package(database)
    assert run(database).rows_loaded == 0
    assert_exact_copy(database, listed)


@pytest.mark.slow
def test_a_package_that_builds_on_what_is_no_longer_there_is_dropped(
    listed: Control, database: Path
) -> None:
    """A backup lacks the rows of the run between: loading the package would lose them."""
    run(database)
    backup = database.with_name("backup.duckdb")
    shutil.copy(database, backup)
    listed.advance(timedelta(hours=9))
    run(database)
    listed.advance(timedelta(hours=9))
    leave_a_package(database)
    shutil.copy(backup, database)
    run(database)
    assert_exact_copy(database, listed)


def test_a_working_directory_in_line_with_the_database_is_kept(
    listed: Control, database: Path
) -> None:
    run(database)
    destination = DuckDBDestination(database)
    [state] = destination.working_directory.glob("*/state.json")
    inode = state.parent.stat().st_ino
    run(database)
    assert state.parent.stat().st_ino == inode


@pytest.mark.slow
def test_rows_that_need_more_memory_than_usual_are_loaded(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bedrock.populate(ACCOUNT, REGION, 20_000, NOW - timedelta(days=3), NOW)
    monkeypatch.setattr(
        "bedrock_async_etl.destinations.duckdb.SETTINGS", "set memory_limit = '1MB'"
    )
    with (
        pytest.raises(duckdb.OutOfMemoryException),
        DuckDBDestination(database).load_session() as session,
        session.writing(),
    ):
        session.connection.sql("create table t as from range(10_000_000)")
    assert load(DuckDBDestination(database)).rows_loaded == 20_000
    assert_exact_copy(database, bedrock)


def test_a_moved_database_goes_on_where_it_was(listed: Control, database: Path) -> None:
    run(database)
    moved = database.with_name("moved.duckdb")
    database.rename(moved)
    assert run(moved).rows_loaded == 0


@pytest.mark.slow
def test_a_torn_working_directory_is_thrown_away(listed: Control, database: Path) -> None:
    run(database)
    for name in ("state.json", "schemas/bedrock_async_invokes.schema.json"):
        [path] = DuckDBDestination(database).working_directory.glob(f"*/{name}")
        path.write_text("{")
        listed.advance(timedelta(hours=1))
        run(database)
        assert_exact_copy(database, listed)


def test_one_run_at_a_time_holds_a_destination(listed: Control, database: Path) -> None:
    with (
        FileLock(f"{database}.lock"),
        pytest.raises(BusyError, match="is in use by another process"),
    ):
        load(DuckDBDestination(database, wait="0s"))


def test_a_file_that_is_no_database_is_left_as_it_is(listed: Control, database: Path) -> None:
    database.write_text("precious notes" * 1_000)
    with pytest.raises(CommandError, match="is not a DuckDB database"):
        run(database)
    assert database.read_text() == "precious notes" * 1_000


def test_a_missing_folder_is_told(listed: Control, database: Path) -> None:
    with pytest.raises(CommandError, match="There is no folder"):
        run(database.parent / "missing" / "copy.duckdb")


@pytest.mark.parametrize("problem", ["no folder", "full"])
def test_a_working_directory_that_cannot_be_used_is_named_with_the_remedy(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    """The database is not what is wrong."""
    folder = database.with_name("working")
    monkeypatch.setenv("DLT_DATA_DIR", str(folder))
    if problem == "no folder":
        folder.touch()
    else:

        def settle(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("bedrock_async_etl.load.settle", settle)
        monkeypatch.setattr("bedrock_async_etl.dlt_state.NEARLY_FULL_BYTES", 2**60)
    remedy = f"^Cannot use dlt's working directory {folder}: .*DLT_DATA_DIR"
    with pytest.raises(CommandError, match=remedy):
        run(database)


def test_a_name_that_makes_queries_ambiguous_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Call it bedrock_async\.duckdb"):
        DuckDBDestination(Path("bedrock.duckdb"))


def test_a_database_that_this_process_reads_is_told(listed: Control, database: Path) -> None:
    run(database)
    with (
        duckdb.connect(database, read_only=True),
        pytest.raises(CommandError, match=r"^Cannot use "),
    ):
        run(database)


def test_a_database_that_another_process_uses_is_told_with_the_process(database: Path) -> None:
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    command = [sys.executable, "-c", hold, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(CommandError) as raised:
            DuckDBDestination(database, wait="0s").connection()
        other.communicate(b"\n")
    program = Path(sys.executable).resolve().name
    assert str(raised.value) == (
        f"{database} is in use by PID {other.pid} ({program}). Try again when it has finished, or "
        "wait longer with --wait."
    )


def is_open_to_others(database: Path) -> bool:
    read = "import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True).close()"
    command = [sys.executable, "-c", read, str(database)]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def test_a_load_keeps_others_from_reading_only_while_it_writes(
    listed: Control, database: Path
) -> None:
    run(database)
    with DuckDBDestination(database).load_session() as session:
        for _ in range(2):
            assert session.has_rows()
            assert is_open_to_others(database)
            with session.writing():
                assert not is_open_to_others(database)
            assert is_open_to_others(database)


def test_a_new_file_is_of_the_configured_version_and_keeps_it(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version() -> str:
        tags = "select tags['storage_version'] from duckdb_databases() where database_name = 'copy'"
        destination = find_destination(database=str(database))
        assert isinstance(destination, DuckDBDestination)
        with destination.connect(read_only=False) as connection:
            [(found,)] = connection.sql(tags).fetchall()
        return str(found)

    assert version() == "v1.2.0+"
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__STORAGE_VERSION", "v1.0.0")
    assert version() == "v1.2.0+"
    database.unlink()
    assert version() == "v1.0.0+"
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__STORAGE_VERSION", "1.2")
    database.unlink()
    with pytest.raises(UsageError, match=r"^storage_version is '1\.2', which DuckDB .* not know"):
        version()


@pytest.mark.parametrize("name", [":memory:", ":memory:x", "~x.duckdb", "~/x.duckdb", "md:x"])
def test_what_is_no_file_to_duckdb_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"^{name} is no file to DuckDB"):
        find_destination(database=name)
    find_destination(database=str(tmp_path / name))


def test_a_backup_beside_the_log_of_a_killed_run_says_what_to_do(database: Path) -> None:
    destination = DuckDBDestination(database)
    log, killed = database.with_name(f"{database.name}.wal"), database.with_name("killed.wal")
    with destination.connect(read_only=False) as connection:
        connection.execute("create table t as select 1 as a")
    backup = database.read_bytes()
    with destination.connect(read_only=False) as connection:
        connection.execute("create table u as select 1 as a")
    with destination.connect(read_only=False) as connection:
        connection.execute("insert into u select 2")
        killed.write_bytes(log.read_bytes())
    database.write_bytes(backup)
    killed.rename(log)
    for is_read_only in (True, False):
        with pytest.raises(CommandError) as raised:
            destination.connect(read_only=is_read_only)
        assert str(raised.value) == (
            f"{log} belongs to another state of {database}, as after a backup was put back: move "
            f"{log.name} away, and run again. What was in it is loaded anew."
        )


def test_each_module_is_a_kind_of_destination(database: Path) -> None:
    assert {"delta", "duckdb", "parquet"} <= set(DESTINATIONS)
    for name in DESTINATIONS:
        place = str(database)
        if is_lake(name):
            found = find_destination(lake=place, destination=name)
            assert found == LakeDestination(place, name)
        else:
            options = DestinationOptions(database=place, destination=name)
            found = find_destination(database=place, destination=name)
            assert found == find_kind(name).at(options)
        assert isinstance(found, Destination)


def test_a_new_module_is_a_new_kind(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else names the kinds: the option, the load, models and status take it as it is."""
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW, duration=timedelta(hours=1))
    folder = database.parent / "more"
    folder.mkdir()
    folder.joinpath("quack.py").write_text(
        "from bedrock_async_etl.destinations.duckdb import DuckDBDestination, Path\n"
        "class Quack(DuckDBDestination):\n"
        "    def __str__(self): return f'quack:{self.database}'\n"
        "def at(options): return Quack(Path(options.database))\n"
    )
    monkeypatch.setattr(destinations, "__path__", [*destinations.__path__, str(folder)])
    kinds = (*DESTINATIONS, "quack")
    monkeypatch.setattr(destinations, "DESTINATIONS", kinds)
    # The options found the modules when they were imported.
    monkeypatch.setitem(DestinationOptions.__annotations__, "destination", Literal[kinds] | None)
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__DESTINATION", "quack")
    loaded = load(find_destination(database=str(database), lake=""))
    assert (loaded.destination, loaded.rows_loaded) == (f"quack:{database}", 1)
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__DATABASE", str(database))
    assert refresh(existing_destination()).exit_code == 0
    assert read_status(existing_destination(), NOW).counts["open"] == 1


def test_an_unknown_kind_is_refused() -> None:
    kinds = ", ".join(DESTINATIONS)
    with pytest.raises(UsageError, match=f"destination is one of {kinds}, not 'x'"):
        find_destination(destination="x")


def test_what_exists_is_found_by_its_place(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kind that is configured counts where it goes with the place that is named."""
    run(database)
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__DESTINATION", "delta")
    found = existing_destination(database=str(database), lake="")
    assert found == DuckDBDestination(database)
    with pytest.raises(CommandError, match="does not exist: load it first"):
        existing_destination(database="missing.duckdb", lake="")


@pytest.mark.parametrize("name", ["a[1]", "pct%20x", "a^b", "a|b", "a\\b", "a\nb", "s3://b/a%2Fb"])
def test_what_delta_cannot_be_called_is_refused(name: str) -> None:
    """delta-rs panics for some, and writes to another folder for others."""
    with pytest.raises(UsageError, match=r"^A lake of Delta cannot be at .* another folder"):
        find_destination(lake=name, destination="delta")
    assert find_destination(lake=name, destination="parquet")


def test_a_lake_is_named_by_its_own_path_whichever_folder_is_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "100%"
    odd.mkdir()
    monkeypatch.chdir(odd)
    for kind in ("delta", "iceberg"):
        assert find_destination(lake=f"file://{tmp_path}/lake", destination=kind)
        with pytest.raises(UsageError, match=f"^A lake of {kind.capitalize()} cannot be at "):
            find_destination(lake="lake", destination=kind)


def test_other_names_are_deltas_too() -> None:
    for name in ("it's a lake", "über-see_1", "s3://bucket/a+b=c"):
        assert find_destination(lake=name, destination="delta")
