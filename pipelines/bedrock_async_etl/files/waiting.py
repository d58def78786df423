"""Other processes that hold a destination: their names, and waiting until they have finished.

All commands wait here, for lock files and for DuckDB's own lock of its file alike.
"""

import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

from bedrock_async_etl.errors import BusyError
from bedrock_async_etl.formatting import format_duration
from bedrock_async_etl.logs import log_event

Result = TypeVar("Result")

POLL_SECONDS: Final = 0.05
COMMAND: Final = "bedrock-async-etl"
SIGNATURE: Final = re.compile(r"PID (\d{1,9}) \((.{1,100})\)\n?")
"""The content of a lock file while it is held."""
MAX_BYTES: Final = 500


@dataclass(frozen=True)
class Holder:
    """A process that holds a destination; `str` names it."""

    pid: int
    program: str

    @classmethod
    def current(cls) -> Self:
        """The current process: its command, without the arguments, which may be secrets."""
        path, *arguments = sys.argv or [""]
        if COMMAND in (Path(path).name, Path(path).parent.name.replace("_", "-")):
            return cls(os.getpid(), " ".join((COMMAND, *arguments[:1])))
        is_script = path and not path.startswith("-")
        return cls(os.getpid(), Path(path if is_script else sys.executable).name[:100])

    @classmethod
    def of(cls, lock_file: Path) -> Self | None:
        """The process that has signed a lock file; None if it is unknown, or has ended since.

        Whoever holds it need not have signed: `flock` does not, and a killed process has not
        removed its signature.
        """
        try:
            with open(lock_file, "rb", opener=_open_regular) as file:
                match = SIGNATURE.fullmatch(file.read(MAX_BYTES).decode(errors="replace"))
        except OSError:
            return None
        return cls(int(match[1]), match[2]) if match and _is_alive(int(match[1])) else None

    def __str__(self) -> str:
        return f"PID {self.pid} ({self.program})"


class HeldError(Exception):
    """An attempt has found that another process, perhaps unknown, holds the destination."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__()
        self.holder = str(holder or "another process")


def wait_while_held(attempt: Callable[[], Result], location: str, seconds: float) -> Result:
    """The result of the first attempt that does not raise `HeldError`.

    Raises `BusyError` after so many seconds. A signal whose handler raises ends the wait at once.
    """
    until: float | None = None
    while True:
        try:
            return attempt()
        except HeldError as held:
            now, holder = time.monotonic(), held.holder
        if until is None:
            until = now + seconds
            if seconds:
                log_event(
                    "waiting",
                    f"Waiting up to {format_duration(seconds)} for {holder}, which holds "
                    f"{location}.",
                )
        if now >= until:
            raise BusyError(
                f"{location} is in use by {holder}. Try again when it has finished, or wait longer "
                "with --wait."
            )
        time.sleep(min(POLL_SECONDS, until - now))


@contextmanager
def signed(lock_file: Path) -> Iterator[None]:
    """Name this process in a lock file that it holds.

    A file with other content is somebody's, and stays as it is. Nothing depends on the name.
    """
    _write(lock_file, f"{Holder.current()}\n")
    try:
        yield
    finally:
        _write(lock_file, "")


def _write(lock_file: Path, signature: str) -> None:
    with suppress(OSError), open(lock_file, "r+b", opener=_open_regular) as file:
        found = file.read(MAX_BYTES + 1).decode(errors="replace")
        if not found or SIGNATURE.fullmatch(found):
            file.seek(0)
            file.truncate()
            file.write(signature.encode())


def _open_regular(path: str, flags: int) -> int:
    """Open a file that has no other name: a link may lead to anything."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise OSError(f"{path} is not a file of its own.")
    return descriptor


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
