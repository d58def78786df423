"""The moments of each command at which it kills itself."""

import os
from typing import Final

import dlt.common.libs.deltalake
from deltalake.table import DeltaTable, TableMerger, TableOptimizer
from pyiceberg.table import Table
from pyiceberg.table.update.snapshot import ExpireSnapshots

from bedrock_async_etl.destinations import parquet
from bedrock_async_etl.destinations.database import published_copy
from bedrock_async_etl.destinations.lake.iceberg import compaction, snapshots, upserts
from bedrock_async_etl.files import atomic_write, publication
from bedrock_async_etl.files.publication import Publication
from tests.whole_load.moments import CONNECTION, Moment
from tests.whole_load.moments import MOMENTS as LOADS

BUILDS: Final = {
    "a model is built": Moment(CONNECTION, "execute", 40, "create or replace table"),
    "models are explained": Moment(CONNECTION, "execute", 1, "comment on"),
}
PUBLISHES: Final = {
    "a file is staged": Moment(Publication, "stage", 40),
    "the intent is written": Moment(publication, "_write_intent", 1),
    "staged files are moved": Moment(publication, "_move", 3),
    "what is staged is removed": Moment(publication, "_discard", 1),
}
COPIES: Final = {
    "a copy for readers is made": Moment(atomic_write, "copy_file", 1),
    "a copy for readers is published": Moment(published_copy, "link_to_copy", 1),
}
FILES: Final = {
    "a file gets its name": Moment(os, "replace", 10),
    "a file or a folder is renamed": Moment(os, "rename", 60),
}
DELTA_LOADS: Final = {
    "Delta makes its table": Moment(dlt.common.libs.deltalake, "write_deltalake", 1),
    "Delta merges": Moment(TableMerger, "execute", 3),
}
COMPACTS: Final = {
    "files are put together": Moment(parquet, "_merge", 3),
    "what was replaced is removed": Moment(parquet, "_remove", 6),
}
DELTA_COMPACTS: Final = {
    "Delta compacts": Moment(TableOptimizer, "compact", 1),
    "Delta clears up": Moment(DeltaTable, "vacuum", 1),
    "Delta makes a checkpoint": Moment(DeltaTable, "create_checkpoint", 1),
}
ICEBERG_COMMITS: Final = {
    "Iceberg writes files": Moment(upserts, "write", 40),
    "a snapshot is staged": Moment(snapshots, "stage_files", 6),
    "a catalog takes a snapshot": Moment(Table, "_do_commit", 40),
}
ICEBERG_COMPACTS: Final = {
    "snapshots expire": Moment(ExpireSnapshots, "commit", 20),
    "files are listed": Moment(compaction, "listed_files", 20),
}
OF_LAKES: Final = {"a file is put into a lake"}
OF_DATABASES: Final = {
    "rows are replaced",
    "rows are inserted",
    "progress is stored",
    "a load is noted",
}

MOMENTS: Final = {
    **LOADS, **BUILDS, **PUBLISHES, **COPIES, **FILES, **DELTA_LOADS, **COMPACTS, **DELTA_COMPACTS,
    **ICEBERG_COMMITS, **ICEBERG_COMPACTS,
}  # fmt: skip


def moments_of(command: str, kind: str) -> list[str]:
    """The names of those that may come."""
    is_lake = kind != "duckdb"
    commits = {"delta": DELTA_LOADS, "iceberg": ICEBERG_COMMITS}.get(kind, {})
    compacts = {"delta": DELTA_COMPACTS, "iceberg": ICEBERG_COMPACTS}.get(kind, {})
    builds = [*BUILDS, *(PUBLISHES if is_lake else ["a transaction ends"])]
    lasts = [*(() if is_lake else COPIES), *FILES, *commits]
    loads = LOADS.keys() - (OF_DATABASES if is_lake else OF_LAKES)
    named = {
        "run": [*sorted(loads), *builds, *lasts],
        "models": [*builds, *commits, "DuckDB is told something"],
        "export": [*PUBLISHES, "DuckDB is told something", "a file or a folder is renamed"],
        "compact": [*COMPACTS, *FILES, *compacts],
    }
    return list(dict.fromkeys(named[command]))
