"""Make few files of the many that the runs of months leave in a lake."""

import json
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from bedrock_async_etl.destinations import DATASET_NAME
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake_tables import TableFormat, delta_table, log_paths
from bedrock_async_etl.destinations.schema import SCHEMAS
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.parquet import ROW_GROUP_ROWS

LARGE_BYTES: Final = 64_000_000
"""Files of this size stay as they are, so that each row is rewritten a few times at most."""
COMPACTED: Final = "compacted-"
"""What the name of a file begins with that was made of others."""
MADE_OF: Final = b"bedrock_async_etl"
"""Metadata of such a file: the names of the others, and when it was made."""


@dataclass(frozen=True)
class Compaction:
    """What became of one table."""

    table: str
    files_before: int
    files_after: int
    """Once those replaced are removed."""
    rows_rewritten: int
    removed: int
    """Files that earlier compactions had replaced."""

    def as_json(self) -> dict[str, Any]:
        """What `compact --json` prints of it."""
        return asdict(self)


def compact(lake: LakeDestination, grace_seconds: float) -> list[Compaction]:
    """Put the small files of each table together.

    Readers find every row at any time: a file that was replaced stays for `grace_seconds`, since
    it may be open, and the next compaction removes it. Until then a change log has its rows twice,
    which its current rows do not show. Raises `CommandError` where files cannot be read or written.
    """
    try:
        with lake.existing().locked():
            return _compact(lake.files, lake.stored_format, grace_seconds)
    except OSError as error:
        raise CommandError(lake.explain(error)) from error


def _compact(
    files: LakeFiles, table_format: TableFormat | None, grace_seconds: float
) -> list[Compaction]:
    return [
        _compact_delta(files)
        if table_format == "delta" and name == "async_invokes"
        else _compact_log(files, name, grace_seconds)
        for name in SCHEMAS
    ]


def _compact_delta(files: LakeFiles) -> Compaction:
    """Delta's own means; what it replaced stays for a week, which is Delta's default."""
    table = delta_table(files)
    if table is None:
        return Compaction("async_invokes", 0, 0, 0, 0)
    before = len(table.file_uris())
    table.optimize.compact()
    removed = table.vacuum(dry_run=False)
    table.create_checkpoint()
    return Compaction("async_invokes", before, len(table.file_uris()), 0, len(removed))


def _compact_log(files: LakeFiles, name: str, grace_seconds: float) -> Compaction:
    removed = _remove_replaced(files, name, grace_seconds)
    paths = log_paths(files, name)
    replaced = _replaced(files, name)
    small = [
        path
        for path in paths
        if _name(path) not in replaced and files.filesystem.size(path) < LARGE_BYTES
    ]
    rows = _put_together(files, name, small) if len(small) > 1 else 0
    if rows and not grace_seconds:
        removed += _remove_replaced(files, name, 0)
    current = len(paths) - len(replaced & {_name(path) for path in paths})
    after = current - len(small) + 1 if rows else current
    return Compaction(name, current, after, rows, removed)


def _put_together(files: LakeFiles, name: str, paths: Sequence[str]) -> int:
    """Write one file of several; returns its rows."""
    schema = SCHEMAS[name]
    told = {"replaced": [_name(path) for path in paths], "at": time.time()}
    dataset = pa.dataset.dataset(list(paths), schema, "parquet", files.arrow_filesystem)
    rows = 0
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder, "compacted")
        noted = schema.with_metadata({MADE_OF: json.dumps(told).encode()})
        with pq.ParquetWriter(scratch, noted, compression="zstd") as writer:
            for table in _row_groups(dataset):
                writer.write_table(table.cast(noted))
                rows += table.num_rows
        place = f"{DATASET_NAME}/{name}/{COMPACTED}{uuid.uuid4().hex}.parquet"
        files.filesystem.put_file(str(scratch), files.path(place))
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
    """Remove what compactions replaced longer ago than the grace."""
    there = {_name(path): path for path in log_paths(files, name)}
    leaving = _replaced(files, name, time.time() - grace_seconds) & there.keys()
    for each in leaving:
        files.filesystem.rm_file(there[each])
    return len(leaving)


def _replaced(files: LakeFiles, name: str, until: float = float("inf")) -> set[str]:
    """The names of files that others were made of, up to a moment."""
    names: set[str] = set()
    for path in files.glob(f"{DATASET_NAME}/{name}/{COMPACTED}*.parquet"):
        with files.filesystem.open(path) as file:
            told = json.loads(pq.read_schema(file).metadata[MADE_OF])
        if told["at"] <= until:
            names.update(told["replaced"])
    return names


def _name(path: str) -> str:
    return path.rpartition("/")[2]
