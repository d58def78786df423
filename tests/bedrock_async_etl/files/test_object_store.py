"""Files of a lake on a disk are there when they are whole, and never before."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from bedrock_async_etl.files.object_store import LocalFiles


@pytest.fixture
def files() -> LocalFiles:
    return LocalFiles()


def test_a_file_that_is_put_or_written_is_there(files: LocalFiles, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("new")
    target.write_text("old")
    files.put_file(str(source), str(target))
    assert target.read_text() == "new"
    files.write_text(f"file://{target}", "newer", encoding="utf-8")
    assert target.read_text() == "newer"
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_a_copy_that_breaks_off_leaves_the_file_as_it_was(
    files: LocalFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target.parquet"
    seen = []

    def copy_half(_: Any, unfinished: str) -> None:
        Path(unfinished).write_text("ha")
        seen.append([path.name for path in tmp_path.glob("*.parquet")])
        raise OSError("the disk is gone")

    monkeypatch.setattr(shutil, "copyfile", copy_half)
    (tmp_path / "source").touch()
    for before in (None, "old"):
        if before:
            target.write_text(before)
        with pytest.raises(OSError, match="the disk is gone"):
            files.put_file(str(tmp_path / "source"), str(target))
        assert (target.read_text() if target.exists() else None) == before
    assert seen == [[], ["target.parquet"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target.parquet"]
