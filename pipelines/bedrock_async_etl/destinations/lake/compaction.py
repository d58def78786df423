"""Merges of the many small files that months of runs leave in a lake."""

import json
import math
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from dlt.destinations.impl.filesystem.filesystem import FILENAME_SEPARATOR

from bedrock_async_etl.destinations.lake.formats import Compaction
from bedrock_async_etl.destinations.lake.tables import folder_of, log_files
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.parquet import ROW_GROUP_ROWS
from bedrock_async_invokes.columns import ASYNC_INVOKES, TABLES

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.lake import LakeDestination

LARGE_BYTES: Final = 64_000_000
"""Files of this size stay as they are, so that each row is rewritten a few times at most."""
COMPACTED: Final = "compacted-"
"""Prefix of the names of merged files."""
DLT_TABLES: Final = ("_dlt_loads", "_dlt_pipeline_state")
"""Tables in which dlt puts a file per load, and reads the newest of a pipeline at most."""
MADE_OF: Final = b"bedrock_async_etl"
"""Metadata of a merged file: the names of the files in it, and the time of the merge."""


def compact(lake: "LakeDestination", grace_seconds: float) -> list[Compaction]:
    """Merge the small files of each table.

    Readers find every row at any time: a file that was replaced stays for `grace_seconds`, since
    it may be open, and the next compaction removes it. Until then a log has its rows twice, which
    its current rows do not show. Raises `CommandError` where files cannot be read or written.
    """
    try:
        with lake.existing().locked():
            lake_format, files = lake.stored_format, lake.files
            return [
                lake_format.compact(files, grace_seconds)
                if name == ASYNC_INVOKES.name
                else compact_log(files, grace_seconds, name=name)
                for name in TABLES
            ] + [_keep_newest(files, grace_seconds, name=name) for name in DLT_TABLES]
    except OSError as error:
        raise CommandError(lake.explain(error)) from error


def compact_log(files: LakeFiles, grace_seconds: float, *, name: str) -> Compaction:
    """Merge the small files of a log."""
    removed = _remove_replaced(files, name, grace_seconds)
    paths = log_files(files, name)
    replaced = _replaced(files, name)
    small = [
        path
        for path in paths
        if _name(path) not in replaced and files.filesystem.size(path) < LARGE_BYTES
    ]
    rows = _merge(files, name, small) if len(small) > 1 else 0
    if rows and not grace_seconds:
        removed += _remove_replaced(files, name, 0)
    current = len(paths) - len(replaced & {_name(path) for path in paths})
    after = current - len(small) + 1 if rows else current
    return Compaction(name, current, after, rows, removed)


def _keep_newest(files: LakeFiles, grace_seconds: float, *, name: str) -> Compaction:
    """Remove the files of one of `DLT_TABLES` that a newer load of the same pipeline replaced."""
    paths = files.glob(f"{folder_of(name)}/*.jsonl")
    replaced_at: dict[str, float] = {}
    removed = 0
    for owner, load_id, path in sorted(map(_owner_and_load, paths), reverse=True):
        if replaced_at.get(owner, math.inf) <= time.time() - grace_seconds:
            files.filesystem.rm_file(path)
            removed += 1
        replaced_at[owner] = load_id
    return Compaction(name, len(paths), len(replaced_at), 0, removed)


def _owner_and_load(path: str) -> tuple[str, float, str]:
    """The pipeline or schema and the load that dlt names a file after; a load's id is its time."""
    owner, load_id, *_ = _name(path).removesuffix(".jsonl").split(FILENAME_SEPARATOR)
    return owner, float(load_id), path


def _merge(files: LakeFiles, name: str, paths: Sequence[str]) -> int:
    """Write one file of several; returns its rows."""
    made_of = {"replaced": [_name(path) for path in paths], "at": time.time()}
    schema = TABLES[name].stored_schema
    noted = schema.with_metadata({MADE_OF: json.dumps(made_of).encode()})
    dataset = pa.dataset.dataset(list(paths), schema, "parquet", files.arrow_filesystem)
    rows = 0
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder, "compacted")
        with pq.ParquetWriter(scratch, noted, compression="zstd") as writer:
            for table in _row_groups(dataset):
                writer.write_table(table.cast(noted))
                rows += table.num_rows
        merged = f"{folder_of(name)}/{COMPACTED}{uuid.uuid4().hex}.parquet"
        files.filesystem.put_file(str(scratch), files.path(merged))
    return rows


def _row_groups(dataset: pa.dataset.Dataset) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in dataset.to_batches():
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= ROW_GROUP_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _remove_replaced(files: LakeFiles, name: str, grace_seconds: float) -> int:
    """Remove the files that were replaced longer ago than the grace; returns their number."""
    there = {_name(path): path for path in log_files(files, name)}
    leaving = _replaced(files, name, time.time() - grace_seconds) & there.keys()
    for each in leaving:
        files.filesystem.rm_file(there[each])
    return len(leaving)


def _replaced(files: LakeFiles, name: str, until: float = math.inf) -> set[str]:
    """The names of the files that were merged, up to a moment."""
    names: set[str] = set()
    for path in files.glob(f"{folder_of(name)}/{COMPACTED}*.parquet"):
        with files.filesystem.open(path) as file:
            made_of = json.loads(pq.read_schema(file).metadata[MADE_OF])
        if made_of["at"] <= until:
            names.update(made_of["replaced"])
    return names


def _name(path: str) -> str:
    return path.rpartition("/")[2]
