"""Files are replaced whole; what is no file is left in its place."""

import os
import stat
from pathlib import Path
from threading import Thread

import pytest

from bedrock_async_etl.files.atomic_write import is_link_to_copy, link_to_copy, replace


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


def test_a_link_to_a_copy_takes_a_files_place_with_its_mode(tmp_path: Path) -> None:
    source, path = tmp_path / "source", tmp_path / "readers.duckdb"
    source.write_bytes(b"new")
    path.write_bytes(b"old")
    path.chmod(0o640)
    with path.open("rb") as held:
        link_to_copy(path, source)
        assert (held.read(), path.read_bytes()) == (b"old", b"new")
    assert (path.is_symlink(), path.resolve().name) == (True, path.name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert is_link_to_copy(path)
    assert not is_link_to_copy(source)


def test_the_copy_before_stays_until_the_next_and_what_killed_processes_left_goes(
    tmp_path: Path,
) -> None:
    source, path = tmp_path / "source", tmp_path / "readers.duckdb"
    copies: list[Path] = []
    for content in (b"1", b"2", b"3"):
        source.write_bytes(content)
        link_to_copy(path, source)
        copies.append(path.resolve())
        killed = copies[-1].parent.with_name("killed")
        killed.mkdir()
        (killed / path.name).touch()
    assert [copy.exists() for copy in copies] == [False, True, True]
    assert [copy.read_bytes() for copy in copies[1:]] == [b"2", b"3"]
    assert {each.name for each in copies[-1].parent.parent.iterdir()} == {
        "killed",
        *(copy.parent.name for copy in copies[1:]),
    }


def test_whatever_the_umask_a_copy_is_for_those_who_may_read_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "readers.duckdb"
    tmp_path.chmod(0o755)
    before = os.umask(0o077)
    try:
        link_to_copy(path, Path(__file__))
        path.chmod(0o644)
        link_to_copy(path, Path(__file__))
    finally:
        os.umask(before)
    folder = path.resolve().parent
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (folder.parent, folder, path)]
    assert modes == [0o755, 0o755, 0o644]


def test_what_cannot_be_removed_keeps_no_copy_from_being_made(tmp_path: Path) -> None:
    path = tmp_path / "link"
    link_to_copy(path, Path(__file__))
    (path.resolve().parents[1] / ".DS_Store").touch()
    (tmp_path / ".link.link").symlink_to("of a killed process")
    moved = (tmp_path / ".link.copies").rename(tmp_path / "elsewhere")
    (tmp_path / ".link.copies").symlink_to(moved)
    assert is_link_to_copy(path)
    first = path.resolve()
    for _ in range(2):
        link_to_copy(path, Path(__file__))
    assert path.read_bytes() == Path(__file__).read_bytes()
    assert not first.exists()


def test_a_copy_that_cannot_be_made_leaves_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    source, path = tmp_path / "source", tmp_path / "readers.duckdb"
    source.write_bytes(b"old")
    link_to_copy(path, source)
    copy = path.resolve()
    with pytest.raises(FileNotFoundError):
        link_to_copy(path, tmp_path / "missing")
    assert (path.resolve(), path.read_bytes()) == (copy, b"old")
    assert list(copy.parent.parent.iterdir()) == [copy.parent]


def test_links_to_the_copy_of_a_folder_that_was_moved_lead_there(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    path = tmp_path / "before" / "readers.duckdb"
    link_to_copy(path, Path(__file__))
    moved = path.parent.rename(tmp_path / "after") / path.name
    assert is_link_to_copy(moved)
    assert moved.read_bytes() == Path(__file__).read_bytes()
