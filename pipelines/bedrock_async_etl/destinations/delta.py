"""A lake whose invocations are a Delta table, partitioned by date; its other tables are logs."""

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar
from urllib.parse import unquote

import boto3
import botocore.session
import pyarrow as pa
from dlt.destinations.impl.filesystem.filesystem import DeltaLoadFilesystemJob

from bedrock_async_etl.destinations import parquet
from bedrock_async_etl.destinations.database.model_tables import DATED_BY, Fingerprints
from bedrock_async_etl.destinations.lake.commits import newest_versions, with_retries
from bedrock_async_etl.destinations.lake.formats import Compaction, Layout, fingerprints_of
from bedrock_async_etl.destinations.lake.tables import folder_of
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.object_store import LakeFiles, proxy_of
from bedrock_async_invokes.client import ca_bundle
from bedrock_async_invokes.columns import ASYNC_INVOKES

if TYPE_CHECKING:
    from deltalake import DeltaTable, WriterProperties

KEYS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
DIRECT: Final = {"proxy_url": "http://localhost", "proxy_excludes": "*,0.0.0.0/0,::/0"}
"""For delta-rs, which else follows ALL_PROXY, and other rules than botocore for `NO_PROXY`."""
S3_FAILURE: Final = "Generic S3 error"
UNREPEATED: Final = (
    "invocation_arn",
    "invocation_id",
    "client_request_token",
    "submit_time",
    "last_modified_time",
    "end_time",
)
"""Columns whose values are mostly different."""
Result = TypeVar("Result")


class DeltaUpsertJob(DeltaLoadFilesystemJob):
    """Upserts invocations by ARN, within the dates that they were submitted on."""

    def run(self) -> None:
        """Upsert the rows of the package, once however often it is tried."""
        versions = newest_versions(self.arrow_dataset.to_table(), ASYNC_INVOKES)
        tried_again(lambda: self._upsert(versions))

    def _upsert(self, versions: pa.Table) -> None:
        from dlt.common.libs.deltalake import write_delta_table

        client = self._job_client
        location = client.get_open_table_location("delta", self.load_table_name)
        options = storage_options(client.config.credentials)
        table = open_table(location, options)
        if table is None:
            return write_delta_table(location, versions, "append", self._partition_columns, options)
        if versions.num_rows:
            upsert(table, versions)


def tried_again(call: Callable[[], Result]) -> Result:
    """The result of a call of delta-rs, which is tried again where that may help.

    It helps where another worker committed first, since its commit is then seen, and where S3
    fails: delta-rs repeats calls, except those whose answer is cut short. Raises `CommandError`
    for a panic.
    """
    from deltalake.exceptions import CommitFailedError

    def may_succeed(error: Exception) -> bool:
        is_of_s3 = isinstance(error, OSError) and S3_FAILURE in str(error)
        return isinstance(error, CommitFailedError) or is_of_s3

    try:
        return with_retries(call, may_succeed)
    except BaseException as error:
        # A panic is no `Exception`: dlt would wait for its job for ever, and a command would end
        # with a traceback. Its class cannot be imported.
        if type(error).__name__ == "PanicException":
            raise CommandError(f"delta-rs failed: {error}") from None
        raise


def upsert(table: "DeltaTable", versions: pa.Table) -> dict[str, Any]:
    """Merge rows, no ARN twice, into the partitions of their dates; delta-rs's own figures."""
    newest_by = ASYNC_INVOKES.newest_by
    # Not streamed: when streaming, delta-rs opens files that cannot match.
    merge = table.merge(
        versions,
        _matching(versions),
        source_alias="source",
        target_alias="target",
        merge_schema=True,
        writer_properties=_writer_properties(),
        streamed_exec=False,
    )
    # A package that a killed run left may be older than what another worker has written since.
    merged = merge.when_matched_update_all(f"source.{newest_by} >= target.{newest_by}")
    figures: dict[str, Any] = merged.when_not_matched_insert_all().execute()
    return figures


def _writer_properties() -> "WriterProperties":
    """Without dictionaries of values that hardly repeat: a quarter less to write."""
    from deltalake import ColumnProperties, WriterProperties

    plain = ColumnProperties(dictionary_enabled=False)
    return WriterProperties(compression="ZSTD", column_properties=dict.fromkeys(UNREPEATED, plain))


def _matching(versions: pa.Table) -> str:
    """The condition of a merge, which names its dates so that no other partition is read.

    Rows that had no date are found, too; for rows that lost theirs, all dates are read.
    """
    [key] = ASYNC_INVOKES.key
    dates = versions[DATED_BY].unique()
    same = f"target.{key} = source.{key}"
    if dates.null_count:
        return same
    listed = ", ".join(f"date '{date}'" for date in dates.to_pylist())
    return f"(target.{DATED_BY} is null or target.{DATED_BY} in ({listed})) and {same}"


def storage_options(credentials: Any) -> dict[str, str]:
    """delta-rs's options for a bucket, none for a folder: dlt's, with boto3's keys and transport.

    dlt passes on only keys that it holds, and delta-rs knows fewer credential providers.
    """
    from dlt.common.libs.deltalake import deltalake_storage_options

    if not credentials:
        return {}
    options: dict[str, str] = deltalake_storage_options(credentials)
    proxy, bundle = proxy_of(credentials), ca_bundle(botocore.session.get_session())
    options |= {"proxy_url": proxy} if proxy else DIRECT
    options |= {"certificate_path": bundle} if bundle else {}
    if found := boto3.Session().get_credentials():
        keys = found.get_frozen_credentials()
        named = zip(KEYS, (keys.access_key, keys.secret_key, keys.token), strict=True)
        options = {name: value for name, value in options.items() if name not in KEYS}
        options |= {name: str(value) for name, value in named if value}
    return options


def delta_table(files: LakeFiles) -> "DeltaTable | None":
    """The table of invocations, once there is one."""
    url = f"{files.url}/{folder_of(ASYNC_INVOKES.name)}"
    return tried_again(lambda: open_table(url, storage_options(files.credentials)))


def open_table(url: str, options: dict[str, str]) -> "DeltaTable | None":
    """The Delta table at a URL, if there is one."""
    from deltalake import DeltaTable

    return DeltaTable(url, None, options) if DeltaTable.is_deltatable(url, options) else None


class Format(parquet.Format):
    """The invocations are a Delta table."""

    needs = "deltalake", "lake"
    unreadable = re.compile(r"[%\[\]^|\\\x00-\x1f\x7f]")
    """delta-rs misreads these characters, or fails for them."""
    write_hints: ClassVar = {
        "write_disposition": {"disposition": "merge", "strategy": "upsert"},
        "table_format": "delta",
    }
    load_job = DeltaUpsertJob
    partitioned_by = DATED_BY

    def layout(self, name: str) -> Layout:
        return "delta" if name == ASYNC_INVOKES.name else super().layout(name)

    def data_files(self, name: str) -> Sequence[str]:
        if name != ASYNC_INVOKES.name:
            return super().data_files(name)
        table = delta_table(self.files)
        uris = tried_again(table.file_uris) if table else []
        if self.files.is_local:
            uris = [unquote(uri) for uri in uris]
        return [uri.removeprefix("s3://").removeprefix("file://") for uri in uris]

    def fingerprints(
        self, before: Fingerprints, read: Sequence[str]
    ) -> tuple[Fingerprints, Sequence[str]]:
        """Fingerprints by date, of the files' names, which change whenever a row does."""
        table = delta_table(self.files)
        found: dict[date | None, list[tuple[str, int]]] = {}
        if table is not None:
            actions = pa.table(tried_again(lambda: table.get_add_actions(flatten=True)))
            for each in actions.select(
                ["path", "num_records", f"partition.{DATED_BY}"]
            ).to_pylist():
                place = each["path"], each["num_records"] or 0
                found.setdefault(each[f"partition.{DATED_BY}"], []).append(place)
        return fingerprints_of(found), ()

    def compact_table(self, name: str, grace_seconds: float) -> Compaction:
        """Compact by Delta's own means, which keep what they replaced for a week by default."""
        table = delta_table(self.files) if name == ASYNC_INVOKES.name else None
        if table is None:
            return super().compact_table(name, grace_seconds)
        before = len(tried_again(table.file_uris))
        tried_again(lambda: table.optimize.compact(writer_properties=_writer_properties()))
        removed = tried_again(lambda: table.vacuum(dry_run=False))
        tried_again(table.create_checkpoint)
        after = len(tried_again(table.file_uris))
        return Compaction(name, before, after, 0, len(removed))
