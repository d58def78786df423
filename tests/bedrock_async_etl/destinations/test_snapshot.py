"""Who reads long reads a private copy of the file, and keeps nobody from writing."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import BusyError, CommandError
from bedrock_async_etl.files.atomic_write import copy_file


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def destination(tmp_path: Path) -> DuckDBDestination:
    made = DuckDBDestination(tmp_path / "copy.duckdb", wait="0s")
    write(made, "create table numbers as select 1 as number")
    return made


def write(destination: DuckDBDestination, statement: str) -> None:
    with destination.connect(read_only=False) as connection:
        connection.execute(statement)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_file_can_be_written_while_a_snapshot_is_read(
    destination: DuckDBDestination, temporary: Path
) -> None:
    with destination.connection(is_materialized=True) as snapshot:
        write(destination, "insert into numbers select 2")
        assert snapshot.sql("from numbers").fetchall() == [(1,)]
        assert snapshot.sql("from copy.main.numbers").fetchall() == [(1,)]
        assert files(temporary) == []
    with destination.connection(is_materialized=True) as snapshot:
        assert snapshot.sql("from numbers order by all").fetchall() == [(1,), (2,)]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("is_linked", [False, True])
def test_a_snapshot_has_what_a_killed_process_left_in_the_log(
    is_linked: bool, destination: DuckDBDestination, temporary: Path
) -> None:
    """DuckDB has the log beside the file that a link leads to."""
    if is_linked:
        link = destination.database.with_name("link")
        link.symlink_to(destination.database)
        destination = DuckDBDestination(link)
    with destination.connect(read_only=False) as connection:
        connection.execute("insert into numbers select 2")
        killed = destination.database.read_bytes(), destination.log.read_bytes()
    destination.database.write_bytes(killed[0])
    destination.log.write_bytes(killed[1])
    with destination.connection(is_materialized=True) as snapshot:
        assert snapshot.sql("from numbers order by all").fetchall() == [(1,), (2,)]
    assert destination.log.read_bytes() == killed[1]
    assert list(temporary.iterdir()) == []


def test_a_program_that_writes_between_two_copies_takes_no_rows_from_a_snapshot(
    destination: DuckDBDestination, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening the database for writing moves what is in the log into the database."""
    with destination.connect(read_only=False) as connection:
        connection.execute("insert into numbers select 2")
        killed = destination.database.read_bytes(), destination.log.read_bytes()
    destination.database.write_bytes(killed[0])
    destination.log.write_bytes(killed[1])
    write_3 = "import duckdb, sys; duckdb.connect(sys.argv[1]).sql('insert into numbers select 3')"

    def copy_and_write(source: Path, target: Path) -> None:
        copy_file(source, target)
        subprocess.run(
            [sys.executable, "-c", write_3, str(destination.database)], stderr=subprocess.DEVNULL
        )

    monkeypatch.setattr("bedrock_async_etl.destinations.duckdb.copy_file", copy_and_write)
    with destination.connection(is_materialized=True) as snapshot:
        assert snapshot.sql("from numbers order by all").fetchall() == [(1,), (2,)]


def test_the_lock_is_held_while_a_snapshot_is_made_and_not_while_it_is_read(
    destination: DuckDBDestination, temporary: Path
) -> None:
    other = FileLock(destination.lock_path())
    with destination.connection_between_runs() as snapshot, other.acquire(timeout=0):
        assert snapshot.sql("from numbers").fetchall() == [(1,)]
    with other, pytest.raises(BusyError), destination.connection_between_runs():
        pass
    assert list(temporary.iterdir()) == []


def test_a_temporary_folder_that_is_full_is_told_with_the_remedy(
    destination: DuckDBDestination, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("bedrock_async_etl.destinations.duckdb.copy_file", fail)
    with (
        pytest.raises(CommandError) as raised,
        destination.connection(is_materialized=True),
    ):
        pass
    assert str(raised.value).startswith(f"Cannot copy {destination.database} to {temporary}/")
    assert str(raised.value).endswith(
        ", where it is read: No space left on device. Set TMPDIR to a folder with space."
    )
    assert list(temporary.iterdir()) == []
