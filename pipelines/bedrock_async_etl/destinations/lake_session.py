"""A lake that is being loaded."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import dlt
import duckdb
import pyarrow as pa
from dlt.pipeline.state_sync import load_pipeline_state_from_destination
from dlt.sources import DltSource

from bedrock_async_etl.destinations import DATASET_NAME
from bedrock_async_etl.destinations.duckdb import stored_digests
from bedrock_async_etl.destinations.lake_dlt import LakeClient, lake
from bedrock_async_etl.destinations.lake_tables import TableFormat, connected
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.working_directories import PIPELINE_NAME

COLUMNS: Final[Any] = {"observed_at": {"dedup_sort": None}, "submit_date": {"partition": True}}
"""Delta has a folder for each date; the versions of an invocation are told apart by readers."""
UPSERT: Final[Any] = {"disposition": "merge", "strategy": "upsert"}


class LakeSession:
    """A lake that is being loaded."""

    def __init__(
        self,
        files: LakeFiles,
        table_format: TableFormat,
        pipeline_name: str,
        working_directory: Path,
    ) -> None:
        self.working_directory = working_directory
        self._files = files
        self._format = table_format
        self._name = pipeline_name
        self._stack = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._pipeline: dlt.Pipeline | None = None

    def close(self) -> None:
        """Let go of the lake: dlt would keep the last pipeline."""
        if self._pipeline:
            self._pipeline.deactivate()
        self._stack.close()

    def pipeline(self) -> dlt.Pipeline:
        self._pipeline = dlt.pipeline(
            self._name,
            pipelines_dir=str(self.working_directory),
            destination=lake(self._files.url, credentials=self._files.credentials),
            dataset_name=DATASET_NAME,
        )
        return self._pipeline

    def shaped(self, source: DltSource) -> DltSource:
        """What is read is appended to a change log, or merged into a Delta table."""
        for resource in source.resources.values():
            resource.apply_hints(write_disposition="append")
        invocations = source.resources["async_invokes"]
        invocations.apply_hints(columns=COLUMNS)
        if self._format == "delta":
            invocations.apply_hints(write_disposition=UPSERT, table_format="delta")
        return source

    def has_rows(self) -> bool:
        return self._files.has(f"{DATASET_NAME}/async_invokes")

    def stored(self, table: pa.Table) -> Mapping[str, str]:
        """The lake is read once: what this run writes is not asked for again."""
        if self._connection is None:
            self._connection = self._stack.enter_context(
                connected(self._files, self._format, are_copied=True)
            )
        return stored_digests(self._connection, table)

    def progress_elsewhere(self) -> Mapping[str, Any]:
        """Of each scope the newest that any other pipeline has: shards may have been cut anew."""
        newest: dict[str, Any] = {}
        for state in self._other_states():
            for scope, progress in _progress_in(state).items():
                known = newest.get(scope)
                if known is None or progress["revision"] > known["revision"]:
                    newest[scope] = progress
        return newest

    def _other_states(self) -> Iterator[Mapping[str, Any]]:
        paths = self._files.glob(f"{DATASET_NAME}/_dlt_pipeline_state/{PIPELINE_NAME}*.jsonl")
        names = {path.rpartition("/")[2].split("__")[0] for path in paths}
        others = sorted(names - {self._name})
        if not others:
            return
        with self.pipeline().destination_client() as client:
            assert isinstance(client, LakeClient)
            for name in others:
                if state := load_pipeline_state_from_destination(name, client):
                    yield state

    def can_go_on(self, error: BaseException) -> bool:
        return False


def _progress_in(state: Mapping[str, Any]) -> Mapping[str, Any]:
    source = state.get("sources", {}).get("bedrock_async_invokes", {})
    progress: Mapping[str, Any] = source.get("resources", {}).get("async_invokes", {})
    return progress
