"""The moments at which a run is struck: by a SIGKILL, or by time that passes."""

import os
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, NamedTuple

import duckdb
from dlt.destinations.impl.filesystem.filesystem import FilesystemLoadJob
from dlt.extract.storage import ExtractStorage
from dlt.load.load import Load
from dlt.normalize.normalize import Normalize

from bedrock_async_invokes import client
from bedrock_async_invokes.run import Extraction

CONNECTION: Final = duckdb.DuckDBPyConnection


class Moment(NamedTuple):
    """Calls of a function; of one that takes SQL, those with certain words."""

    place: Any
    name: str
    times: int
    """That a run comes to it, or some more."""
    words: str = ""


MOMENTS: Final = {
    "a page is parsed": Moment(client, "parse_page", 8),
    "progress is put into the state": Moment(Extraction, "_save_progress", 3),
    "a package is extracted": Moment(ExtractStorage, "commit_new_load_package", 3),
    "a package is normalized": Moment(Normalize, "run", 3),
    "a package begins to be loaded": Moment(Load, "initialize_package", 3),
    "a file is put into a lake": Moment(FilesystemLoadJob, "run", 4),
    "jobs are completed": Moment(Load, "complete_jobs", 7),
    "a package is completed": Moment(Load, "complete_package", 3),
    "rows are replaced": Moment(CONNECTION, "execute", 4, 'delete from "bedrock"'),
    "rows are inserted": Moment(CONNECTION, "execute", 4, 'insert into "bedrock"'),
    "progress is stored": Moment(CONNECTION, "execute", 4, 'INTO "bedrock"."_dlt_pipeline_state"'),
    "a load is noted": Moment(CONNECTION, "execute", 3, 'INSERT INTO "bedrock"."_dlt_loads"'),
    "a transaction ends": Moment(CONNECTION, "commit", 6),
    "DuckDB is told something": Moment(CONNECTION, "execute", 160),
}


def strike(moment: Moment, nth: int, is_after: bool, act: Callable[[], object]) -> None:
    """Act before or after the n-th time that it comes to a moment in this process."""
    place, name, _, words = moment
    real, times = getattr(place, name), iter(range(1, nth + 1))

    @wraps(real)
    def struck(*arguments: Any, **named: Any) -> Any:
        is_one = not words or words in str(arguments[1])
        is_it = is_one and next(times, None) == nth
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
