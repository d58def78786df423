"""Compaction of Iceberg tables: few manifests, few snapshots, no unneeded file."""

import json
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pyarrow import fs

from bedrock_async_etl.destinations.lake.formats import Compaction
from bedrock_async_etl.destinations.lake.iceberg.catalog import file_system_of, path_of
from bedrock_async_etl.destinations.lake.iceberg.snapshots import (
    PROGRESS,
    ancestors,
    files_in,
    manifests_of,
    retry_on_conflict,
    stored_progress,
    with_progress,
)
from bedrock_async_etl.destinations.lake.iceberg.tables import IcebergTables, Identifier

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable

GC: Final = "gc.enabled"
"""Property of a table: false where its files may be of other branches of the catalog."""
REFUSALS: Final = ("ACCESS_DENIED", "MethodNotAllowed", "NotImplemented")
MANY_MANIFESTS: Final = 8
ABANDONED_AFTER: Final = timedelta(days=1)


def compact(
    tables: IcebergTables,
    identifier: Identifier,
    grace_seconds: float,
    kept: AbstractSet[str] = frozenset(),
) -> Compaction:
    """Expire the snapshots of a table that were replaced so many seconds ago.

    Files that no snapshot has any more are removed, and those of unfinished commits once they are
    a day old; files `kept`, by their names, stay.
    """
    table = tables.find_own(identifier)
    if table is None or table.properties.get(GC) == "false":
        return Compaction(identifier[-1], 0, 0, 0, 0)
    before = files_of(table)
    if len(manifests_of(table)) > MANY_MANIFESTS:
        retry_on_conflict(partial(_merge_manifests, tables.catalog, identifier))
    retry_on_conflict(partial(_expire, tables.catalog, identifier, grace_seconds))
    table = tables.catalog.load_table(identifier)
    after = files_of(table)
    old = datetime.now(UTC) - ABANDONED_AFTER

    def is_useless(file: fs.FileInfo) -> bool:
        is_known = file.path in before.all or file.mtime < old
        return is_known and file.path not in after.all and file.base_name not in kept

    try:
        removed = _remove(table, is_useless)
    except OSError as error:
        if tables.place(identifier) or not _is_refused(error):
            raise
        removed = 0  # S3 Tables, for one, lets nobody list or delete: it removes them itself.
    return Compaction(identifier[-1], len(before.data), len(after.data), 0, removed)


def _is_refused(error: OSError) -> bool:
    """True where S3 denies the operation."""
    return isinstance(error, PermissionError) or any(each in str(error) for each in REFUSALS)


def _remove(table: "IcebergTable", is_useless: Callable[[fs.FileInfo], bool]) -> int:
    """Remove files from the folders of a table's data and metadata; returns their number."""
    file_system = file_system_of(table)
    useless = [each.path for each in listed_files(table, file_system) if is_useless(each)]
    for path in useless:
        file_system.delete_file(path)
    return len(useless)


def _expire(catalog: "Catalog", identifier: Identifier, grace_seconds: float) -> None:
    table = catalog.load_table(identifier)
    if expired := replaced_snapshots(table, grace_seconds):
        table.maintenance.expire_snapshots().by_ids(expired).commit()


def _merge_manifests(catalog: "Catalog", identifier: Identifier) -> None:
    """Make an empty commit, in the way that merges manifests.

    pyiceberg's overwrites keep manifests of nothing but deleted files.
    """
    table = catalog.load_table(identifier)
    progress = {**stored_progress(table)}
    known = {PROGRESS: json.dumps(progress, sort_keys=True)} if progress else {}
    with (
        table.transaction() as transaction,
        transaction.update_snapshot(snapshot_properties=known).merge_append(),
    ):
        pass


def replaced_snapshots(table: "IcebergTable", grace_seconds: float) -> list[int]:
    """The ids of snapshots that another one replaced so many seconds ago.

    Snapshots with a name, and the one with the progress, stay.
    """
    until = (time.time() - grace_seconds) * 1_000
    kept = {each.snapshot_id for each in table.metadata.refs.values()}
    if last := with_progress(table):
        kept.add(last.snapshot_id)
    return [
        old.snapshot_id
        for new, old in pairwise(ancestors(table))
        if new.timestamp_ms <= until and old.snapshot_id not in kept
    ]


@dataclass(frozen=True)
class StoredFiles:
    """Paths of the files that some snapshot of a table has."""

    data: AbstractSet[str]
    all: AbstractSet[str]


def files_of(table: "IcebergTable") -> StoredFiles:
    """The files of all of a table's snapshots."""
    manifests = {
        manifest.manifest_path: manifest
        for snapshot in table.snapshots()
        for manifest in snapshot.manifests(table.io)
    }
    data = {path_of(each.file_path) for each in files_in(table, manifests.values())}
    others = [
        table.metadata_location,
        *(each.metadata_file for each in table.metadata.metadata_log),
        *(each.manifest_list for each in table.snapshots()),
        *manifests,
        *(each.statistics_path for each in table.metadata.statistics),
        *(each.statistics_path for each in table.metadata.partition_statistics),
    ]
    return StoredFiles(data, data | {path_of(each) for each in others})


def listed_files(table: "IcebergTable", file_system: fs.FileSystem) -> Sequence[fs.FileInfo]:
    """The files in the folders of a table's data and metadata."""
    places = table.location_provider()
    selectors = [
        fs.FileSelector(path_of(each), allow_not_found=True, recursive=True)
        for each in (places.data_path, places.metadata_path)
    ]
    found = [each for one in selectors for each in file_system.get_file_info(one)]
    return [each for each in found if each.is_file]
