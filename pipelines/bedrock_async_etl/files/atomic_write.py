"""Files that appear when they are whole: readers find the old one or the new one."""

import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

DEVICES: Final = Path("/dev")


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
    if mode is None and path.is_file():
        mode = stat.S_IMODE(path.stat().st_mode)
    with replacing(path) as draft:
        with draft.open("xb") as file:
            file.write(content)
        if mode is not None:
            draft.chmod(mode)
