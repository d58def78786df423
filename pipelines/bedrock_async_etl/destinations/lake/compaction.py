"""Compaction of a lake: months of runs would leave its tables in many small files."""

import math
import time
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final

from dlt.destinations.impl.filesystem.filesystem import FILENAME_SEPARATOR

from bedrock_async_etl.destinations.lake.formats import Compaction
from bedrock_async_etl.destinations.lake.tables import folder_of
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.lake import LakeDestination

DLT_TABLES: Final = ("_dlt_loads", "_dlt_pipeline_state")
"""Tables in which dlt puts a file per load, and reads the newest of a pipeline at most."""


def compact(lake: "LakeDestination", grace_seconds: float) -> list[Compaction]:
    """Merge the small files of each table.

    Readers find every row at any time: a replaced file stays for `grace_seconds`, since it may be
    open, and the next compaction removes it. Until then a log has its rows twice, which
    its current rows do not show. Raises `CommandError` where files cannot be read or written.
    """
    try:
        with lake.existing().locked():
            stored = lake.stored_format
            named = {(owner, float(load)) for owner, load in stored.named_progress().items()}
            kept = [_keep_newest(lake.files, name, named, grace_seconds) for name in DLT_TABLES]
            return [*stored.compact(grace_seconds), *kept]
    except OSError as error:
        raise CommandError(lake.explain(error)) from error


def _keep_newest(
    files: LakeFiles, name: str, named: AbstractSet[tuple[str, float]], grace_seconds: float
) -> Compaction:
    """Remove the files of one of `DLT_TABLES` that a newer load of the same pipeline replaced.

    Those `named` by their owner and load stay.
    """
    paths = files.glob(f"{folder_of(name)}/*.jsonl")
    replaced_at: dict[str, float] = {}
    removed = 0
    for owner, load_id, path in sorted(map(_owner_and_load, paths), reverse=True):
        is_old = replaced_at.get(owner, math.inf) <= time.time() - grace_seconds
        if is_old and (owner, load_id) not in named:
            files.filesystem.rm_file(path)
            removed += 1
        replaced_at[owner] = load_id
    return Compaction(name, len(paths), len(replaced_at), 0, removed)


def _owner_and_load(path: str) -> tuple[str, float, str]:
    """The pipeline or schema and the load that dlt names a file after; a load's id is its time."""
    name = path.rpartition("/")[2].removesuffix(".jsonl")
    owner, load_id, *_ = name.split(FILENAME_SEPARATOR)
    return owner, float(load_id), path
