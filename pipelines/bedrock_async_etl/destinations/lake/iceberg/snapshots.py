"""Snapshots of Iceberg tables, and what goes with them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bedrock_async_etl.destinations.lake.commits import with_retries

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction

Result = TypeVar("Result")
LOAD: Final = "bedrock-async-etl.load-id"
PROGRESS: Final = "bedrock-async-etl.progress"
"""Properties of a snapshot: the load that made it, and of each pipeline the load whose progress
goes with the rows."""


@dataclass(frozen=True)
class Change:
    """Files that replace others."""

    added: Sequence["DataFile"] = ()
    removed: Sequence["DataFile"] = ()


def replace_files(table: "IcebergTable", change: Change, properties: Mapping[str, str]) -> None:
    """Commit a change as one snapshot. Its files are removed if the table changed meanwhile."""
    with removed_in_conflict(table.io, change.added), table.transaction() as transaction:
        stage_files(transaction, change, properties)


@contextmanager
def removed_in_conflict(io: "FileIO", files: Sequence["DataFile"]) -> Iterator[None]:
    """Remove files that cannot be committed since the table has changed meanwhile."""
    from pyiceberg.exceptions import CommitFailedException, ValidationException

    try:
        yield
    except (CommitFailedException, ValidationException):
        for file in files:
            with suppress(OSError):
                io.delete(file.file_path)
        raise


def stage_files(
    transaction: "Transaction",
    change: Change,
    properties: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Make a change the only snapshot of a transaction."""
    with transaction.update_snapshot(snapshot_properties={**properties}).overwrite() as snapshot:
        for file in change.removed:
            snapshot.delete_data_file(file)
        for file in change.added:
            snapshot.append_data_file(file)


def retry_on_conflict(call: Callable[[], Result]) -> Result:
    """The result of a commit, which is tried again while others commit to the same table."""
    from pyiceberg.exceptions import (
        CommitFailedException,
        CommitStateUnknownException,
        ValidationException,
    )

    conflicts = (CommitFailedException, CommitStateUnknownException, ValidationException)
    return with_retries(call, lambda error: isinstance(error, conflicts))


def own_snapshots(table: "IcebergTable") -> Iterator[Any]:
    """The table's snapshots that this program made, from the current one back."""
    for snapshot in ancestors(table):
        if snapshot.summary and LOAD in snapshot.summary.additional_properties:
            yield snapshot


def ancestors(table: "IcebergTable") -> Iterator[Any]:
    """The current snapshot of a table, the one before it, and so on."""
    snapshot = table.current_snapshot()
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parent_snapshot_id
        snapshot = None if parent is None else table.snapshot_by_id(parent)


def stored_progress(table: "IcebergTable") -> Mapping[str, str]:
    """By pipeline, the load whose progress goes with the rows."""
    snapshot = with_progress(table)
    found: Mapping[str, str] = json.loads(snapshot.summary[PROGRESS]) if snapshot else {}
    return found


def with_progress(table: "IcebergTable") -> Any:
    """The newest snapshot with the progress; those of other programs have none."""
    of_ours = (each for each in ancestors(table) if each.summary and each.summary[PROGRESS])
    return next(of_ours, None)


def current_files(table: "IcebergTable") -> Sequence["DataFile"]:
    """The files of a table's current snapshot, with those that have no rows."""
    return files_in(table, manifests_of(table))


def manifests_of(table: "IcebergTable") -> Sequence["ManifestFile"]:
    """The manifests of a table's current snapshot."""
    snapshot = table.current_snapshot()
    return snapshot.manifests(table.io) if snapshot else []


def files_in(table: "IcebergTable", manifests: Iterable["ManifestFile"]) -> Sequence["DataFile"]:
    """The data files in some manifests, less those that were deleted."""
    return [
        entry.data_file
        for manifest in manifests
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    ]
