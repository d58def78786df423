"""Files are replaced whole; what is no file is left in its place."""

import os
import stat
from pathlib import Path
from threading import Thread

from bedrock_async_etl.files.atomic_write import replace, replace_by_copy


def test_a_file_takes_the_place_of_another_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"old")
    replace(path, b"new", 0o640)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"page.html": b"new"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    replace(pipe, b"page")
    reader.join()
    assert read == [b"page"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_copy_takes_a_files_place_with_its_mode_and_without_drafts_of_killed_processes(
    tmp_path: Path,
) -> None:
    source, path = tmp_path / "source", tmp_path / "readers.duckdb"
    source.write_bytes(b"new")
    path.write_bytes(b"old")
    path.chmod(0o640)
    others = {".readers.duckdb.tmp", ".readers.duckdb.0123456x", "x.readers.duckdb.01234567"}
    for name in (".readers.duckdb.01234567", ".readers.duckdb.89abcdef", *others):
        (tmp_path / name).touch()
    with path.open("rb") as held:
        replace_by_copy(path, source)
        assert (held.read(), path.read_bytes()) == (b"old", b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {each.name for each in tmp_path.iterdir()} == {"source", "readers.duckdb", *others}
