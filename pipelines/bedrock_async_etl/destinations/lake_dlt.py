"""dlt's filesystem destination, as a lake needs it: no half files, and upserts into Delta."""

import os
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.destinations.impl.filesystem.factory import filesystem
from dlt.destinations.impl.filesystem.filesystem import (
    DeltaLoadFilesystemJob,
    FilesystemClient,
    ReferenceFollowupJob,
)
from fsspec.implementations.local import LocalFileSystem

from bedrock_async_etl.destinations.fixed_capabilities import FixedCapabilities

if TYPE_CHECKING:
    from deltalake import DeltaTable

TRIES: Final = 30
"""Of one upsert, while other workers commit to the same partitions."""


class LocalFiles(LocalFileSystem):  # type: ignore[misc]
    """Local files that are there when they are whole, and never before."""

    def put_file(self, path1: str, path2: str, callback: Any = None, **options: Any) -> None:
        """Copy a file; one that was at `path2` is replaced at once."""
        with _replacing(self._strip_protocol(path2)) as unfinished:
            super().put_file(path1, unfinished, callback, **options)

    def write_text(self, path: str, value: str, *options: Any, **named: Any) -> None:
        """Write a file; one that was at `path` is replaced at once."""
        with _replacing(self._strip_protocol(path)) as unfinished:
            super().write_text(unfinished, value, *options, **named)


@contextmanager
def _replacing(path: str) -> Iterator[str]:
    """A name for the time until the file is whole; no reader takes it for data."""
    folder, name = os.path.split(path)
    unfinished = os.path.join(folder, f".{name}.{uuid.uuid4().hex}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise


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
        if not versions.num_rows:
            return
        upsert(table, versions)


def upsert(table: "DeltaTable", versions: pa.Table) -> dict[str, Any]:
    """Merge rows, no ARN twice, into the partitions of their dates; delta-rs's own figures."""
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
    merged = merge.when_matched_update_all("source.observed_at >= target.observed_at")
    figures: dict[str, Any] = merged.when_not_matched_insert_all().execute()
    return figures


def newest_versions(table: pa.Table) -> pa.Table:
    """The row of each ARN that was read last: Delta takes one per key."""
    arns = table["invocation_arn"]
    if len(arns) == pc.count_distinct(arns).as_py():
        return table
    numbered = table.append_column("row", pa.array(range(table.num_rows)))
    ordered = numbered.sort_by([("observed_at", "ascending"), ("row", "ascending")])
    last = ordered.group_by("invocation_arn", use_threads=False).aggregate([("row", "last")])
    return table.take(last["row_last"])


def _matching(versions: pa.Table) -> str:
    """The condition of a merge, which names its dates so that no other partition is read."""
    dates = versions["submit_date"].unique()
    listed = ", ".join(f"date '{date}'" for date in dates.drop_null().to_pylist())
    places = [f"target.submit_date in ({listed})"] if listed else []
    if dates.null_count:
        places.append("target.submit_date is null")
    return f"({' or '.join(places)}) and target.invocation_arn = source.invocation_arn"


class LakeClient(FilesystemClient):
    """Puts whole files in their places."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if self.is_local_filesystem:
            self.fs_client = LocalFiles(auto_mkdir=True)

    @staticmethod
    def get_reference_followup_job_class(
        table: Any,
    ) -> type[ReferenceFollowupJob] | None:
        return DeltaUpsertJob if table.get("table_format") == "delta" else None


class lake(FixedCapabilities, filesystem):  # noqa: N801, named as dlt names destinations
    """The filesystem destination for a lake of ours."""

    @property
    def client_class(self) -> type[LakeClient]:
        return LakeClient

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.preferred_loader_file_format = "parquet"
        return capabilities


lake.register()
