"""A lake whose invocations are a Delta table, partitioned by date; its other tables are logs."""

import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.destinations.impl.filesystem.filesystem import DeltaLoadFilesystemJob

from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake.formats import Compaction, LakeFormat
from bedrock_async_etl.destinations.lake.tables import folder_of
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.options import DestinationOptions
from bedrock_async_invokes.columns import ASYNC_INVOKES

if TYPE_CHECKING:
    from deltalake import DeltaTable

PLACE: Final = "lake"
DATE: Final = "submit_date"
TRIES: Final = 30
"""Of one upsert, while other workers commit to the same partitions."""


def at(options: DestinationOptions, shard: str | None = None) -> LakeDestination:
    """The lake at a folder or URL, as one of several workers loads it."""
    assert options.lake
    return LakeDestination(options.lake, "delta", shard)


class DeltaUpsertJob(DeltaLoadFilesystemJob):
    """Upserts invocations by ARN, within the dates that they were submitted on."""

    def run(self) -> None:
        """Try again where another worker committed first: what it committed is then seen."""
        from deltalake.exceptions import CommitFailedError

        versions = newest_versions(self.arrow_dataset.to_table())
        for tried in range(TRIES):
            try:
                return self._upsert(versions)
            except CommitFailedError:
                if tried == TRIES - 1:
                    raise
                time.sleep(random.uniform(0, min(5.0, 0.1 * 2**tried)))

    def _upsert(self, versions: pa.Table) -> None:
        from dlt.common.libs.deltalake import deltalake_storage_options, write_delta_table

        client = self._job_client
        try:
            table = client.load_open_table("delta", self.load_table_name)
        except DestinationUndefinedEntity:
            return write_delta_table(
                client.get_open_table_location("delta", self.load_table_name),
                versions,
                "append",
                self._partition_columns,
                deltalake_storage_options(client.config.credentials),
            )
        if versions.num_rows:
            upsert(table, versions)


def upsert(table: "DeltaTable", versions: pa.Table) -> dict[str, Any]:
    """Merge rows, no ARN twice, into the partitions of their dates; delta-rs's own figures."""
    newest_by = ASYNC_INVOKES.newest_by
    # Not streamed: where it streams, delta-rs looks into files that cannot match.
    merge = table.merge(
        versions,
        _matching(versions),
        source_alias="source",
        target_alias="target",
        merge_schema=True,
        streamed_exec=False,
    )
    # A package that a killed run left may be older than what another worker has written since.
    merged = merge.when_matched_update_all(f"source.{newest_by} >= target.{newest_by}")
    figures: dict[str, Any] = merged.when_not_matched_insert_all().execute()
    return figures


def newest_versions(table: pa.Table) -> pa.Table:
    """The row of each ARN that was read last: Delta takes one per key."""
    [key] = ASYNC_INVOKES.key
    if table.num_rows == pc.count_distinct(table[key]).as_py():
        return table
    numbered = table.append_column("row", pa.array(range(table.num_rows)))
    ordered = numbered.sort_by([(ASYNC_INVOKES.newest_by, "ascending"), ("row", "ascending")])
    last = ordered.group_by(key, use_threads=False).aggregate([("row", "last")])
    return table.take(last["row_last"])


def _matching(versions: pa.Table) -> str:
    """The condition of a merge, which names its dates so that no other partition is read."""
    [key] = ASYNC_INVOKES.key
    dates = versions[DATE].unique()
    listed = ", ".join(f"date '{date}'" for date in dates.drop_null().to_pylist())
    places = [f"target.{DATE} in ({listed})"] if listed else []
    if dates.null_count:
        places.append(f"target.{DATE} is null")
    return f"({' or '.join(places)}) and target.{key} = source.{key}"


def delta_table(files: LakeFiles) -> "DeltaTable | None":
    """The table of invocations, once there is one; raises `CommandError` without the extra."""
    try:
        from deltalake import DeltaTable
    except ModuleNotFoundError:
        raise CommandError(
            "A lake of Delta needs the extra `lake`: pip install 'bedrock-async-etl[lake]'."
        ) from None
    url, options = f"{files.url}/{folder_of(ASYNC_INVOKES.name)}", files.object_store_options
    return DeltaTable(url, None, options) if DeltaTable.is_deltatable(url, options) else None


def data_files(files: LakeFiles) -> Sequence[str]:
    """The files of the newest version; the names of their folders have the dates."""
    table = delta_table(files)
    uris = table.file_uris() if table else []
    if files.is_local:
        uris = [unquote(uri) for uri in uris]
    return [uri.removeprefix("s3://").removeprefix("file://") for uri in uris]


def compact(files: LakeFiles, grace_seconds: float) -> Compaction:
    """Compact by Delta's own means, which keep what they replaced for a week by default."""
    table = delta_table(files)
    if table is None:
        return Compaction(ASYNC_INVOKES.name, 0, 0, 0, 0)
    before = len(table.file_uris())
    table.optimize.compact()
    removed = table.vacuum(dry_run=False)
    table.create_checkpoint()
    return Compaction(ASYNC_INVOKES.name, before, len(table.file_uris()), 0, len(removed))


FORMAT: Final = LakeFormat(
    data_files,
    compact,
    write_hints={
        "write_disposition": {"disposition": "merge", "strategy": "upsert"},
        "table_format": "delta",
    },
    load_job=DeltaUpsertJob,
    partitioned_by=DATE,
)
