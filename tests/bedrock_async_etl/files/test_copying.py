"""A copy has every byte, whoever makes it: the kernel, this process, or one after the other."""

import errno
import os
import resource
from pathlib import Path

import pytest

from bedrock_async_etl.files import atomic_write
from bedrock_async_etl.files.atomic_write import copy_file

CONTENT = os.urandom(300_000)
UNSUPPORTED = (errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.EPERM)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_copied_whole(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_write, "CHUNK_BYTES", 100_001)
    copy_file(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


@pytest.mark.parametrize("copied", [0, 1, 2])
@pytest.mark.parametrize("number", UNSUPPORTED)
def test_where_the_kernel_cannot_go_on_this_process_does(
    number: int, copied: int, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another filesystem, an old kernel, a sandbox: from the beginning, or from the middle."""
    real, times = os.copy_file_range, iter(range(copied))

    def copy_some(original: int, copy: int, count: int) -> int:
        if next(times, None) is None:
            raise OSError(number, "No.")
        return real(original, copy, 1_000)

    monkeypatch.setattr(os, "copy_file_range", copy_some)
    copy_file(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_a_system_without_such_a_call_copies_too(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "copy_file_range")
    copy_file(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_a_disk_that_takes_no_more_is_an_error(source: Path, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            copy_file(source, tmp_path / "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_there_is_not_written_over(source: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(FileExistsError):
        copy_file(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "precious"
