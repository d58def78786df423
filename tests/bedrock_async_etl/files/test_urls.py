"""What goes wrong with a URL is told in one line, with the remedy."""

import errno
import sys
from pathlib import Path

import duckdb
import pytest

from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.urls import absolute, one_line_errors, open_url

DENIED = OSError(errno.EACCES, "Access Denied")


@pytest.mark.parametrize(
    ("url", "error", "told"),
    [
        ("out", OSError(errno.ENOSPC, "No space left on device"), "no space is left. Free some"),
        ("out", DENIED, "Give a folder that can be written to."),
        ("out", OSError(errno.EROFS, "Read-only file system"), "Give a folder that can be written"),
        ("out", NotADirectoryError(errno.ENOTDIR, "Not a directory"), "a file is in the way."),
        ("out", OSError(errno.EIO, "Input/output error"), "OSError: [Errno 5] Input/output error"),
        ("s3://lake", DENIED, "s3:DeleteObject on arn:aws:s3:::lake/*."),
        ("s3://lake", PermissionError("Access Denied"), "access is denied (Access Denied)."),
        ("s3://lake/a/", DENIED, "s3:DeleteObject on arn:aws:s3:::lake/a/*."),
        ("s3://lake", FileNotFoundError("no such bucket"), "Make the bucket, or correct the URL."),
        ("out", duckdb.IOException("No space left on device"), "free some, or set TMPDIR."),
    ],
)
def test_an_error_is_told_with_its_remedy(url: str, error: Exception, told: str) -> None:
    with pytest.raises(CommandError) as raised, one_line_errors(url):
        raise error
    assert told in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_s3_without_s3fs_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(CommandError, match=r"install bedrock-async-etl\[lake\]"):
        open_url("s3://lake/a")


def test_a_folder_is_absolute_whichever_way_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("out", "out/", f"{tmp_path}/out", f"file://{tmp_path}/out"):
        assert open_url(url)[1] == absolute(url) == f"{tmp_path}/out"
