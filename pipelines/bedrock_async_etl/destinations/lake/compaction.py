"""Merges of the many small files that months of runs leave in a lake."""

import hashlib
import json
import math
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from dlt.destinations.impl.filesystem.filesystem import FILENAME_SEPARATOR

from bedrock_async_etl.destinations.database.model_tables import DATED_BY, Fingerprint, Fingerprints
from bedrock_async_etl.destinations.lake.formats import Compaction, LakeCompaction
from bedrock_async_etl.destinations.lake.tables import folder_of, log_files
from bedrock_async_etl.errors import CommandError, interruption_behind
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.parquet import ROW_GROUP_ROWS
from bedrock_async_etl.options import GRACE_SECONDS
from bedrock_async_invokes.columns import ASYNC_INVOKES, EXTRACT_RUNS, TABLES, Table

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.lake import LakeDestination

LARGE_BYTES: Final = 16_000_000
"""Files of this size stay as they are, so that a merge costs no more for a longer log."""
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
    names = [*TABLES, *DLT_TABLES]
    try:
        with lake.existing().locked():
            # A compaction is due by the files of this table: one that stops before it is due still.
            names_in_turn = sorted(names, key=EXTRACT_RUNS.name.__eq__)
            done = {name: _compact_table(lake, grace_seconds, name) for name in names_in_turn}
    except OSError as error:
        raise CommandError(lake.explain(error)) from error
    return [done[name] for name in names]


def _compact_table(lake: "LakeDestination", grace_seconds: float, name: str) -> Compaction:
    if name == ASYNC_INVOKES.name:
        return lake.stored_format.compact(lake.files, grace_seconds)
    if name in DLT_TABLES:
        return _keep_newest(lake.files, grace_seconds, name=name)
    return compact_log(lake.files, grace_seconds, name=name)


def compact_if_due(lake: "LakeDestination", after: int) -> LakeCompaction | None:
    """Compact a lake whose `extract_runs` has more than `after` files; None where it has not.

    They stand for those of all tables: whatever a run writes, and in whichever format, it adds one
    there. Files that were replaced count once they can be deleted. That takes two listings and the
    schemas of the few merged files, while the models read every file. An error is in the result.
    """
    try:
        files, name = lake.files, EXTRACT_RUNS.name
        replaced_at, until = _replaced_at(files, name), time.time() - GRACE_SECONDS
        paths = log_files(files, name)
        if sum(replaced_at.get(_name(path), -math.inf) <= until for path in paths) <= after:
            return None
        return LakeCompaction(compact(lake, GRACE_SECONDS))
    except Exception as error:  # Of whatever kind: what was loaded is whole, and the run is good.
        if interruption_behind(error):
            raise
        return LakeCompaction(
            error=str(error) if isinstance(error, CommandError) else lake.explain(error)
        )


def compact_log(files: LakeFiles, grace_seconds: float, *, name: str) -> Compaction:
    """Merge the small files of a log."""
    replaced_at, paths = _replaced_at(files, name), log_files(files, name)
    until = time.time() - grace_seconds
    removed = [path for path in paths if replaced_at.get(_name(path), math.inf) <= until]
    _remove(files, removed)
    current = [path for path in paths if _name(path) not in replaced_at]
    small = [path for path in current if files.filesystem.size(path) < LARGE_BYTES]
    rows = _merge(files, name, small) if len(small) > 1 else 0
    if not rows:
        return Compaction(name, len(current), len(current), 0, len(removed))
    if not grace_seconds:
        _remove(files, small)
        removed += small
    return Compaction(name, len(current), len(current) - len(small) + 1, rows, len(removed))


def log_fingerprints(
    files: LakeFiles, before: Fingerprints, read: Sequence[str], *, table: Table
) -> tuple[Fingerprints, list[str]]:
    """By date of the rows in a log, and the names of its files.

    A fingerprint changes with each file that has rows of the date, but for one that was merged of
    files that were `read` when those `before` were made.
    """
    paths, known = log_files(files, table.name), set(read)
    replaced = {each: set(made_of["replaced"]) for each, made_of in _merges(files, table.name)}
    new = [
        path
        for path in paths
        if _name(path) not in known and not (replaced.get(_name(path)) or {""}) <= known
    ]
    found = dict(before)
    for path in new:
        data = pa.dataset.dataset([path], table.stored_schema, "parquet", files.arrow_filesystem)
        days = data.to_table([DATED_BY])[DATED_BY].value_counts().to_pylist()
        for day, count in ((each["values"], each["counts"]) for each in days):
            old = found.get(day, Fingerprint(0, ""))
            value = hashlib.sha256(f"{old.value} {_name(path)}".encode()).hexdigest()
            found[day] = Fingerprint(old.rows + count, value)
    return found, [_name(path) for path in paths]


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
    schema = TABLES[name].stored_schema.with_metadata({MADE_OF: json.dumps(made_of).encode()})
    parquet = pa.dataset.ParquetFileFormat()
    with tempfile.TemporaryDirectory() as folder:
        pa.dataset.write_dataset(
            pa.dataset.dataset(list(paths), schema, parquet, files.arrow_filesystem),
            folder,
            format=parquet,
            file_options=parquet.make_write_options(compression="zstd"),
            use_threads=False,  # The rows keep their order.
            min_rows_per_group=ROW_GROUP_ROWS,
            max_rows_per_group=ROW_GROUP_ROWS,
        )
        merged = f"{folder_of(name)}/{COMPACTED}{uuid.uuid4().hex}.parquet"
        rows = 0
        for scratch in Path(folder).iterdir():  # Not one, where no file has rows.
            files.filesystem.put_file(str(scratch), files.path(merged))
            rows = pq.read_metadata(scratch).num_rows
    return rows


def _remove(files: LakeFiles, paths: Sequence[str]) -> None:
    for path in paths:
        files.filesystem.rm_file(path)


def _replaced_at(files: LakeFiles, name: str) -> dict[str, float]:
    """The times at which files were merged, by their names."""
    times: dict[str, float] = {}
    for _, made_of in _merges(files, name):
        times |= dict.fromkeys(made_of["replaced"], made_of["at"])
    return times


def _merges(files: LakeFiles, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The names of merged files, and what they were made of."""
    for path in files.glob(f"{folder_of(name)}/{COMPACTED}*.parquet"):
        with files.filesystem.open(path) as file:
            yield _name(path), json.loads(pq.read_schema(file).metadata[MADE_OF])


def _name(path: str) -> str:
    return path.rpartition("/")[2]
