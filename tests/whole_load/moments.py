"""The moments at which a run is struck: by a SIGKILL, or by time that passes."""

import os
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import duckdb
from dlt.destinations.impl.filesystem.filesystem import FilesystemLoadJob
from dlt.extract.storage import ExtractStorage
from dlt.load.load import Load
from dlt.normalize.normalize import Normalize

from sources.bedrock_async_invokes import calls
from sources.bedrock_async_invokes.extraction import Extraction

MOMENTS: Final[dict[str, tuple[Any, str]]] = {
    "a page is parsed": (calls, "parse_page"),
    "progress is put into the state": (Extraction, "_save_progress"),
    "a package is extracted": (ExtractStorage, "commit_new_load_package"),
    "a package is normalized": (Normalize, "run"),
    "a package begins to be loaded": (Load, "initialize_package"),
    "a file is put into a lake": (FilesystemLoadJob, "run"),
    "jobs are completed": (Load, "complete_jobs"),
    "a package is completed": (Load, "complete_package"),
    "DuckDB is told something": (duckdb.DuckDBPyConnection, "execute"),
    "a transaction ends": (duckdb.DuckDBPyConnection, "commit"),
}
"""Calls of these functions, by what they do."""


def strike(moment: str, nth: int, is_after: bool, act: Callable[[], None]) -> None:
    """Act before or after the n-th time that it comes to a moment in this process."""
    place, name = MOMENTS[moment]
    real, times = getattr(place, name), iter(range(1, nth + 1))

    @wraps(real)
    def struck(*arguments: Any, **named: Any) -> Any:
        is_it = next(times, None) == nth
        if is_it and not is_after:
            act()
        result = real(*arguments, **named)
        if is_it and is_after:
            act()
        return result

    setattr(place, name, struck)


def die() -> None:
    """What no process can do anything about."""
    os.kill(os.getpid(), signal.SIGKILL)
