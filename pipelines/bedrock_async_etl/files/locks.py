"""Locks that keep two processes from writing to one destination."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bedrock_async_etl.errors import BusyError, CommandError


@contextmanager
def locked(file: Path, held: str) -> Iterator[None]:
    """Hold a lock file, once or several times in this process; `held` is what it stands for.

    Raises `BusyError` if another process holds it, `CommandError` if it cannot be written.
    """
    # A singleton, so that a command and the steps in it may each hold it.
    lock = FileLock(file, is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(f"Another run, or another command, holds {held}.") from None
    except OSError as error:
        raise CommandError(
            f"Cannot write to {file.parent}: {error.strerror}. Give a folder that exists and can "
            "be written to."
        ) from error
    try:
        yield
    finally:
        lock.release()
