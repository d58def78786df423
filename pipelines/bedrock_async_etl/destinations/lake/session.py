"""A load into a lake."""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa
from dlt.sources import DltSource

from bedrock_async_etl.destinations import DATASET_NAME, LoadSession
from bedrock_async_etl.destinations.database.dates import Dates, has_date_in, spread
from bedrock_async_etl.destinations.database.model_tables import DATED_BY
from bedrock_async_etl.destinations.duckdb import LISTED, stored_digests
from bedrock_async_etl.destinations.lake.filesystem import LakeClient, lake
from bedrock_async_etl.destinations.lake.formats import LakeFormat
from bedrock_async_etl.destinations.lake.tables import LOG_NAME, connected, is_current
from bedrock_async_etl.dlt_state import PIPELINE_NAME, newest_progress, stored_progress
from bedrock_async_etl.files.urls import S3_RETRIES
from bedrock_async_invokes.columns import ASYNC_INVOKES
from bedrock_async_invokes.windows import to_time

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.lake import LakeDestination


SETTINGS: Final = "set memory_limit = '256MB'; set preserve_insertion_order = false;"
"""A day may have many rows, and what memory does not hold goes to a temporary file."""
LOG: Final = f"{LOG_NAME}.{ASYNC_INVOKES.name}"
COPIED: Final = "copied"
"""The rows of days on which a run looks for rows often."""
FEW_LOOKUPS: Final = 2
"""Lookups on a day that cost less than a copy of its rows."""


class LakeSession(LoadSession):
    """A load into a lake, whose files are listed once: the run does not ask for its own rows."""

    def __init__(self, destination: "LakeDestination", lake_format: LakeFormat) -> None:
        super().__init__(destination)
        self._files = destination.files
        self._format = lake_format
        self._lookups: Counter[date | None] = Counter()
        """By day."""
        self._copied: Dates = frozenset()

    @cached_property
    def _files_read(self) -> duckdb.DuckDBPyConnection:
        connection = self._opened.enter_context(connected(self._format))
        connection.execute(f"{SETTINGS} create table {COPIED} as from {LOG} limit 0")
        return connection

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
        """Digests from the files with rows of these times, or from a copy of the days' rows."""
        days = _days(table)
        self._lookups.update(days)
        is_copied = any(self._lookups[day] > FEW_LOOKUPS for day in days)
        if is_copied:
            self._copy(days | {None})
        query = f"from {COPIED if is_copied else LOG} {LISTED}"
        if self._format.is_log(ASYNC_INVOKES.name):
            query += f" qualify {is_current(ASYNC_INVOKES)}"
        return stored_digests(self._files_read, table, query)

    def _copy(self, days: Dates) -> None:
        """Copy the rows of days (None: those without one) that are not copied yet."""
        if new := days - self._copied:
            is_of_days = has_date_in(DATED_BY, "DATE", new)
            self._files_read.execute(f"insert into {COPIED} from {LOG} where {is_of_days}")
            self._copied |= new

    def progress_elsewhere(self) -> Mapping[str, Any]:
        """The newest progress of each scope in other pipelines, since shards may have changed."""
        paths = self._files.glob(f"{DATASET_NAME}/_dlt_pipeline_state/{PIPELINE_NAME}*.jsonl")
        names = {path.rpartition("/")[2].split("__")[0] for path in paths}
        names -= {self.destination.pipeline_name}
        if not names:
            return {}
        with self.pipeline().destination_client() as client:
            assert isinstance(client, LakeClient)
            return newest_progress(stored_progress(client, sorted(names)))


def _days(table: pa.Table) -> Dates:
    """The days of the times of submission in a table, and those between."""
    # As in `DuckDBSession.dlt_destination`.
    from bedrock_async_invokes.records import submit_edges

    oldest, newest = submit_edges(table)
    if oldest is None or newest is None:
        return frozenset()
    first, last = to_time(oldest).date(), to_time(newest).date()
    return spread(frozenset({first}), after=(last - first).days)
