"""A set of files takes its places whole; a crash at any operation leaves the old set or the new."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.export.manifest import read_manifest
from bedrock_async_etl.files.publication import (
    MANIFEST,
    STAGING,
    publication,
    published_manifest,
    recover,
)

OLD = {"kept/a": b"kept", "rows/b": b"old rows", "rows/gone": b"gone", MANIFEST: b"old"}
NEW = {"kept/a": b"kept", "rows/b": b"new rows", "rows/more": b"more", MANIFEST: b"new"}
MUTATIONS = ("put_file", "pipe_file", "makedirs", "mv", "rm_file", "rm", "rmdir")


class Died(OSError):
    """The process is gone: nothing that it still tries has an effect."""


class DyingFileSystem(LocalFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A local disk under a process that dies in the middle of its n-th change."""

    cachable = False

    def __init__(self, dies_at: int) -> None:
        super().__init__()
        self.dies_at, self.changes = dies_at, 0
        self.intends = False

    def __getattribute__(self, name: str) -> Any:
        attribute = super().__getattribute__(name)
        return self._counted(name, attribute) if name in MUTATIONS else attribute

    def _counted(self, name: str, change: Any) -> Any:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.changes += 1
            if self.changes == self.dies_at and name in ("put_file", "pipe_file"):
                self._write_half(name, *arguments)
            if self.changes >= self.dies_at:
                raise Died
            self.intends |= name == "mv" and arguments[1].endswith("intent.json")
            return change(*arguments, **options)

        return counted

    @staticmethod
    def _write_half(name: str, first: str, second: Any) -> None:
        path, content = (first, second) if name == "pipe_file" else (second, _bytes(first))
        Path(path).write_bytes(content[: len(content) // 2])


def _bytes(path: str) -> bytes:
    return Path(path).read_bytes()


def publish(fs: Any, root: Path | str, scratch: Path, files: dict[str, bytes]) -> None:
    """Publish what differs from the OLD set, or all of the first set."""
    before = {} if files is OLD else OLD
    with publication(fs, str(root)) as staging:
        for name in sorted(files.items() - before.items()):
            if name[0] != MANIFEST:
                scratch.write_bytes(name[1])
                staging.stage(scratch, name[0])
        staging.publish(files[MANIFEST], sorted(before.keys() - files.keys()))


def visible(root: Path) -> dict[str, bytes]:
    """All that a reader may take for data, and the manifest."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and STAGING not in path.parts
    }


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


def crashes(tmp_path: Path, scratch: Path, first: bool = False) -> Iterator[tuple[Path, bool]]:
    """A root after a crash at each change of a publication, and whether its intent was written."""
    for dies_at in range(1, 100):
        root = tmp_path / f"crash{dies_at}"
        if not first:
            publish(LocalFileSystem(), root, scratch, OLD)
        fs = DyingFileSystem(dies_at)
        try:
            publish(fs, root, scratch, OLD if first else NEW)
        except Died:
            yield root, fs.intends
        else:
            assert dies_at > 10
            return


def test_a_set_takes_the_place_of_another_and_nothing_else_stays(
    tmp_path: Path, scratch: Path
) -> None:
    root = tmp_path / "root"
    publish(LocalFileSystem(), root, scratch, OLD)
    assert visible(root) == OLD
    publish(LocalFileSystem(), root, scratch, NEW)
    assert visible(root) == NEW
    assert sorted(path.name for path in root.iterdir()) == [MANIFEST, "kept", "rows"]


def test_an_object_store_is_published_to_alike(scratch: Path) -> None:
    fs = MemoryFileSystem(skip_instance_cache=True)
    for files in (OLD, NEW):
        publish(fs, "/lake", scratch, files)
        found = {path.removeprefix("/lake/"): fs.cat_file(path) for path in fs.find("/lake")}
        assert found == files
    fs.rm("/lake", recursive=True)


def test_a_crash_while_staging_leaves_the_old_set(tmp_path: Path, scratch: Path) -> None:
    for root, intended in crashes(tmp_path, scratch):
        if not intended:
            assert visible(root) == OLD
            assert published_manifest(LocalFileSystem(), str(root)) == b"old"
            recover(LocalFileSystem(), str(root))
            assert visible(root) == OLD
            assert not (root / STAGING).exists()


def test_a_crash_between_the_moves_leaves_each_file_whole_and_is_finished(
    tmp_path: Path, scratch: Path
) -> None:
    mixtures = 0
    for root, intended in crashes(tmp_path, scratch):
        if intended:
            left = visible(root)
            assert left.items() <= {*OLD.items(), *NEW.items()}
            assert OLD.keys() & NEW.keys() <= left.keys()
            mixtures += left not in (OLD, NEW)
            assert published_manifest(LocalFileSystem(), str(root)) == b"new"
            recover(LocalFileSystem(), str(root))
            assert visible(root) == NEW
            assert not (root / STAGING).exists()
    assert mixtures > 1


def test_a_first_publication_that_crashes_is_finished_or_undone(
    tmp_path: Path, scratch: Path
) -> None:
    for root, intended in crashes(tmp_path, scratch, first=True):
        recover(LocalFileSystem(), str(root))
        assert visible(root) == (OLD if intended else {})


def test_a_folder_where_a_first_publication_died_is_not_taken_for_anothers(
    tmp_path: Path, scratch: Path
) -> None:
    """Nothing that an export would refuse to touch is there before its intent is."""
    for root, intended in crashes(tmp_path, scratch, first=True):
        if not intended:
            assert read_manifest(LocalFileSystem(), str(root), str(root)) is None


def test_the_next_publication_recovers_by_itself(tmp_path: Path, scratch: Path) -> None:
    for root, _ in crashes(tmp_path, scratch):
        publish(LocalFileSystem(), root, scratch, NEW)
        assert visible(root) == NEW
        assert not (root / STAGING).exists()


def test_a_crash_of_the_recovery_is_recovered_from(tmp_path: Path, scratch: Path) -> None:
    for root, intended in crashes(tmp_path, scratch):
        for dies_at in range(1, 100):
            try:
                recover(DyingFileSystem(dies_at), str(root))
            except Died:
                continue
            break
        assert visible(root) == (NEW if intended else OLD)


def test_a_failure_before_the_intent_leaves_no_staged_files(tmp_path: Path, scratch: Path) -> None:
    def fail_after_staging() -> None:
        with publication(LocalFileSystem(), str(tmp_path / "root")) as staging:
            staging.stage(scratch, "rows/b")
            raise ZeroDivisionError

    scratch.write_bytes(b"content")
    with pytest.raises(ZeroDivisionError):
        fail_after_staging()
    assert not (tmp_path / "root" / STAGING).exists()


def test_staged_files_look_like_data_to_no_reader(tmp_path: Path, scratch: Path) -> None:
    scratch.write_bytes(b"content")
    with publication(LocalFileSystem(), str(tmp_path)) as staging:
        staging.stage(scratch, "rows/part-0.parquet")
        [staged] = [path for path in (tmp_path / STAGING).rglob("*") if path.is_file()]
        assert staged.suffix == ""
        staging.publish(b"manifest")
    assert (tmp_path / "rows/part-0.parquet").read_bytes() == b"content"


def test_two_publications_at_a_time_are_told(tmp_path: Path, scratch: Path) -> None:
    """The second takes what the first had staged for the leftovers of a dead run."""
    root = tmp_path / "root"
    scratch.write_bytes(b"first")
    with publication(LocalFileSystem(), str(root)) as first:
        first.stage(scratch, "rows/b")
        publish(LocalFileSystem(), root, scratch, OLD)
        first.stage(scratch, "rows/c")
        with pytest.raises(CommandError, match="root: run one at a time"):
            first.publish(b"first")
    assert visible(root) == OLD


def test_a_folder_in_the_staging_folder_that_is_not_ours_is_left_alone(
    tmp_path: Path, scratch: Path
) -> None:
    other = tmp_path / STAGING / "mine"
    other.mkdir(parents=True)
    publish(LocalFileSystem(), tmp_path, scratch, OLD)
    assert other.is_dir()
