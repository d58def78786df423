"""Snapshots of Iceberg tables, and what goes with them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bedrock_async_etl.destinations.lake.commits import with_retries

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction
    from pyiceberg.table.snapshots import Snapshot

Result = TypeVar("Result")
LOAD: Final = "bedrock-async-etl.load-id"
PROGRESS: Final = "bedrock-async-etl.progress"
"""Properties of a snapshot: the load that made it, and of each pipeline the load whose progress
goes with the rows."""


def replace_files(
    table: "IcebergTable",
    added: Sequence["DataFile"],
    removed: Sequence["DataFile"],
    properties: Mapping[str, str],
) -> None:
    """Commit files in place of others as one snapshot.

    What is added is removed again if the table changed meanwhile.
    """
    with removed_in_conflict(table.io, added), table.transaction() as transaction:
        stage_files(transaction, added, removed, properties)


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
    added: Sequence["DataFile"],
    removed: Sequence["DataFile"],
    properties: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Make files in place of others the only snapshot of a transaction."""
    with transaction.update_snapshot(snapshot_properties={**properties}).overwrite() as snapshot:
        for file in removed:
            snapshot.delete_data_file(file)
        for file in added:
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


def ancestors(table: "IcebergTable") -> Iterable["Snapshot"]:
    """The current snapshot of a table, the one before it, and so on."""
    from pyiceberg.table.snapshots import ancestors_of

    found: Iterable[Snapshot] = ancestors_of(table.current_snapshot(), table.metadata)
    return found


def has_load(table: "IcebergTable", load_id: str) -> bool:
    """True if a snapshot of the table has that load."""
    return any(each.summary and each.summary[LOAD] == load_id for each in ancestors(table))


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
