"""A lake of Parquet files: its tables are logs, to which every new version of a row is appended."""

import hashlib
import json
import math
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from bedrock_async_etl.destinations.database.model_tables import DATED_BY, Fingerprint, Fingerprints
from bedrock_async_etl.destinations.lake.formats import Compaction, LakeFormat, Layout
from bedrock_async_etl.destinations.lake.tables import folder_of
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.parquet import ROW_GROUP_ROWS
from bedrock_async_etl.options import GRACE_SECONDS
from bedrock_async_invokes.columns import ASYNC_INVOKES, EXTRACT_RUNS, TABLES, Table, no_rows

LARGE_BYTES: Final = 16_000_000
"""Files of this size stay as they are, so that a merge costs no more for a longer log."""
COMPACTED: Final = "compacted-"
"""Prefix of the names of merged files."""
MADE_OF: Final = b"bedrock_async_etl"
"""Metadata of a merged file: the names of the files in it, and the time of the merge."""


class Format(LakeFormat):
    """All tables are logs."""

    def layout(self, name: str) -> Layout:
        return "log" if name in TABLES else "files"

    def rows(self, table: Table) -> pa.dataset.Dataset | pa.Table:
        paths, schema = self.data_files(table.name), table.stored_schema
        if not paths:
            return no_rows(schema)
        partitioning = None
        if self.partitioned_by and table is ASYNC_INVOKES:
            dated = pa.schema([schema.field(self.partitioned_by)])
            partitioning = pa.dataset.partitioning(dated, flavor="hive")
        folder = self.files.path(folder_of(table.name))
        return pa.dataset.dataset(
            paths, schema, "parquet", self.files.arrow_filesystem, partitioning, folder
        )

    def has_rows(self) -> bool:
        return self.files.has(folder_of(ASYNC_INVOKES.name))

    def data_files(self, name: str) -> Sequence[str]:
        return self.files.glob(f"{folder_of(name)}/*.parquet")

    def fingerprints(
        self, before: Fingerprints, read: Sequence[str]
    ) -> tuple[Fingerprints, Sequence[str]]:
        """Fingerprints by date of the invocations in the log, and the names of its files.

        A fingerprint changes with each file that has rows of the date, except one merged from files
        that were `read` when the fingerprints `before` were made.
        """
        table, known = ASYNC_INVOKES, set(read)
        paths = self.data_files(table.name)
        replaced = {
            name: set(made_of["replaced"]) for name, made_of in _merges(self.files, table.name)
        }
        new = [
            path
            for path in paths
            if _name(path) not in known and not (replaced.get(_name(path)) or {""}) <= known
        ]
        found = dict(before)
        for path in new:
            data = pa.dataset.dataset(
                [path], table.stored_schema, "parquet", self.files.arrow_filesystem
            )
            days = data.to_table([DATED_BY])[DATED_BY].value_counts().to_pylist()
            for day, count in ((each["values"], each["counts"]) for each in days):
                old = found.get(day, Fingerprint(0, ""))
                value = hashlib.sha256(f"{old.value} {_name(path)}".encode()).hexdigest()
                found[day] = Fingerprint(old.rows + count, value)
        return found, [_name(path) for path in paths]

    def compact(self, grace_seconds: float) -> list[Compaction]:
        # Files of `extract_runs` make it due: a compaction that stops before them is still due.
        names = sorted(TABLES, key=EXTRACT_RUNS.name.__eq__)
        done = {name: self.compact_table(name, grace_seconds) for name in names}
        return [done[name] for name in TABLES]

    def compact_table(self, name: str, grace_seconds: float) -> Compaction:
        """Merge the small files of one table."""
        files, until = self.files, time.time() - grace_seconds
        replaced_at, paths = _replaced_at(files, name), self.data_files(name)
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

    def is_compaction_due(self, after: int) -> bool:
        """True for more than `after` files of `extract_runs`, but for replaced ones that must stay.

        They stand for all tables, since every run that writes adds one. That takes two listings
        and the schemas of the few merged files, while the models read every file.
        """
        name, until = EXTRACT_RUNS.name, time.time() - GRACE_SECONDS
        replaced_at = _replaced_at(self.files, name)
        times = (replaced_at.get(_name(path), -math.inf) for path in self.data_files(name))
        return sum(at <= until for at in times) > after


def _merge(files: LakeFiles, name: str, paths: Sequence[str]) -> int:
    """Merge files into one; returns its rows."""
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
        for scratch in Path(folder).iterdir():  # None, where no file has rows.
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
