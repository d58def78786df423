"""A load into a lake."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa
from dlt.sources import DltSource

from bedrock_async_etl.destinations import DATASET_NAME, LoadSession
from bedrock_async_etl.destinations.duckdb import LISTED, stored_digests
from bedrock_async_etl.destinations.lake.filesystem import LakeClient, lake
from bedrock_async_etl.destinations.lake.formats import LakeFormat
from bedrock_async_etl.destinations.lake.tables import LOG_NAME, connected, is_current
from bedrock_async_etl.dlt_state import PIPELINE_NAME, newest_progress, stored_progress
from bedrock_async_etl.files.urls import S3_RETRIES
from bedrock_async_invokes.columns import ASYNC_INVOKES

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.lake import LakeDestination


FEW_LOOKUPS: Final = 20
"""Lookups that cost less in the lake's files than a copy of all of its rows."""


class LakeSession(LoadSession):
    """A load into a lake, whose files are listed once: the run does not ask for its own rows."""

    def __init__(self, destination: "LakeDestination", lake_format: LakeFormat) -> None:
        super().__init__(destination)
        self._files = destination.files
        self._format = lake_format
        self._lookups = 0

    @cached_property
    def _files_read(self) -> duckdb.DuckDBPyConnection:
        return self._opened.enter_context(connected(self._format, is_materialized=False))

    @cached_property
    def _copy(self) -> duckdb.DuckDBPyConnection:
        return self._opened.enter_context(connected(self._format, is_materialized=True))

    def dlt_destination(self) -> lake:
        files = self._files
        destination = lake(
            files.url,
            files.credentials,
            preferred_loader_file_format="parquet",
            config_kwargs=S3_RETRIES,
        )
        destination.lake_format = self._format
        return destination

    def with_write_hints(self, source: DltSource) -> DltSource:
        """All tables are logs, whose readers find the newest versions; the format may differ."""
        for resource in source.resources.values():
            resource.apply_hints(write_disposition="append")
        columns: dict[str, Any] = {ASYNC_INVOKES.newest_by: {"dedup_sort": None}}
        if self._format.partitioned_by:
            columns[self._format.partitioned_by] = {"partition": True}
        source.resources[ASYNC_INVOKES.name].apply_hints(
            columns=columns, **self._format.write_hints
        )
        return source

    def has_rows(self) -> bool:
        return self._format.has_rows()

    def stored(self, table: pa.Table) -> Mapping[str, str]:
        """From the files that have rows of these times, while a run asks for few."""
        self._lookups += 1
        if self._lookups > FEW_LOOKUPS:
            return stored_digests(self._copy, table)
        log = f"{LOG_NAME}.{ASYNC_INVOKES.name}"
        query = f"from {log} {LISTED}"
        if self._format.is_log(ASYNC_INVOKES.name):
            query += f" qualify {is_current(ASYNC_INVOKES)}"
        return stored_digests(self._files_read, table, query)

    def progress_elsewhere(self) -> Mapping[str, Any]:
        """The newest of each scope that any other pipeline has: shards may have been cut anew."""
        paths = self._files.glob(f"{DATASET_NAME}/_dlt_pipeline_state/{PIPELINE_NAME}*.jsonl")
        names = {path.rpartition("/")[2].split("__")[0] for path in paths}
        names -= {self.destination.pipeline_name}
        if not names:
            return {}
        with self.pipeline().destination_client() as client:
            assert isinstance(client, LakeClient)
            return newest_progress(stored_progress(client, sorted(names)))
