"""Files that appear when they are whole: readers find the old one or the new one."""

import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.files.copying import copy_file

DEVICES: Final = Path("/dev")
DRAFT: Final = re.compile(r"[0-9a-f]{8}")
"""End of the name of a draft, after a dot, the name of the file and a dot."""


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

    `mode` is the file's, whatever the umask. Without it, it keeps the one that it has, and a new
    file gets the umask's. A link is replaced, not followed; but what is no file, such as a pipe or
    `/dev/stdout`, is written to: nothing must take its place.
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


def replace_by_copy(path: Path, source: Path) -> None:
    """Put a copy of another file in a file's place at once, when it is on the disk.

    Removes the drafts of processes that were killed: one process at a time writes there. Modes and
    errors are as in `replace`.
    """
    remove_drafts(path)
    mode = _mode_of(path)
    with replacing(path) as draft:
        copy_file(source, draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        if mode is not None:
            draft.chmod(mode)


def remove_drafts(path: Path) -> None:
    """Remove the drafts of a file that killed processes have left; raises `OSError`."""
    prefix = f".{path.name}."
    for name in os.listdir(path.parent):
        if name.startswith(prefix) and DRAFT.fullmatch(name.removeprefix(prefix)):
            path.with_name(name).unlink(missing_ok=True)


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
