"""Files that appear when they are whole: readers find the old one or the new one."""

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bedrock_async_etl.errors import UsageError

DEVICES: Final = Path("/dev")
CHUNK_BYTES: Final = 1 << 30
"""The most that the kernel is asked to copy at a time; a signal waits for no more than that."""


def copy_file(source: Path, target: Path) -> None:
    """Copy a file into a new one; raises `OSError`, and leaves what it has written."""
    with source.open("rb") as original, target.open("xb") as copy:
        # The kernel copies by reference on XFS, Btrfs and ZFS. Some kernels, filesystems and
        # sandboxes cannot copy, or not to the end.
        if hasattr(os, "copy_file_range"):
            with suppress(OSError):
                while os.copy_file_range(original.fileno(), copy.fileno(), CHUNK_BYTES):
                    pass
        shutil.copyfileobj(original, copy)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden draft beside a file, which takes its place at the end; an error removes the draft.

    Raises `OSError`.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def replace(path: Path, content: bytes, mode: int | None = None) -> None:
    """Put a file in another's place at once; raises `OSError`, and then the old one is as it was.

    `mode` is the file's, whatever the umask. Without it, the file keeps its mode, and a new one
    gets the umask's. A link is replaced, not followed; but what is no file, such as a pipe or
    `/dev/stdout`, is written to, and must not be replaced.
    """
    if path.absolute().parent == DEVICES or (path.exists() and not path.is_file()):
        path.write_bytes(content)
        return
    if mode is None:
        mode = _mode_of(path)
    with replacing(path) as draft:
        with draft.open("xb") as file:
            file.write(content)
        if mode is not None:
            draft.chmod(mode)


def link_to_copy(path: Path, source: Path) -> None:
    """Replace a file at once by a link to a new copy of another, when the copy is on the disk.

    A program that opens a path several times, as DuckDB does for one connection, would mix two
    files if one replaced the other meanwhile. It follows a link once, and the previous copy stays
    until the next call, for programs about to open it. One process at a time writes there. The
    copy has the name of the link, and modes and errors are as in `replace`.
    """
    folder, mode = _copies_of(path), _mode_of(path)
    if not folder.exists():
        _make_folder(folder, path.parent)
    for version in folder.iterdir():
        if version.resolve() != path.resolve().parent:
            # Files open on NFS, or made by another user, may go the next time.
            shutil.rmtree(version, ignore_errors=True)
    version, link = folder / secrets.token_hex(4), path.with_name(f".{path.name}.link")
    link.unlink(missing_ok=True)
    try:
        _make_folder(version, path.parent)
        copy = version / path.name
        link.symlink_to(Path(folder.name, version.name, path.name))
        copy_file(source, copy)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        if mode is not None:
            copy.chmod(mode)
        link.replace(path)
    except BaseException:
        link.unlink(missing_ok=True)
        shutil.rmtree(version, ignore_errors=True)
        raise


def is_link_to_copy(path: Path) -> bool:
    """True for a link to a file that `link_to_copy` has made."""
    return path.is_file() and path.resolve().parent.parent == _copies_of(path).resolve()


def _copies_of(path: Path) -> Path:
    """The hidden folder beside a file that has its copies, each in a folder of its own."""
    return path.with_name(f".{path.name}.copies")


def _make_folder(folder: Path, parent: Path) -> None:
    """Make a folder for all who may read the link's folder, whatever the umask."""
    folder.mkdir()
    folder.chmod(stat.S_IMODE(parent.stat().st_mode))


def _mode_of(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.is_file() else None


def check_place(path: Path, flag: str, example: str) -> None:
    """Raise `UsageError`, naming the flag, where a file cannot be put."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{flag} {path} is not a file: name one, such as {example}.")
    try:
        with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", dir=path.parent):
            return
    except OSError as error:
        raise UsageError(
            f"Cannot write {flag} {path}: {error.strerror}. Name a file in a folder that exists "
            "and can be written to."
        ) from error
