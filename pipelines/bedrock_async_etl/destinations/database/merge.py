"""dlt's DuckDB destination, with merges that take rows from their file right into the table.

dlt's own merges fill a staging table first, which takes as long again.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from dlt.common.destination.client import FollowupJobRequest, LoadJob
from dlt.common.destination.exceptions import DestinationTerminalException
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema.utils import get_columns_names_with_prop
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob
from dlt.destinations.impl.duckdb.factory import duckdb
from duckdb import DuckDBPyConnection

from bedrock_async_etl.dlt_state import FixedCapabilities
from bedrock_async_etl.formatting import identifier, literal

DELETE: Final = """
delete from {table} as stored where exists (select 1 from {rows} as loaded where {is_same})
"""
INSERT: Final = """
insert into {table} by name
with
repeated as materialized (
    select {key} from {rows} group by all having count(*) > 1
),
superseded as (
    select file_row_number from {rows} semi join repeated using ({key})
    qualify row_number() over (partition by {key} order by {newest_first}) > 1
)
select * exclude (file_row_number) from {rows}
where file_row_number not in (from superseded)
"""
"""A few keys are in a file twice, if any: only those rows are put in order."""


class MergeJob(DuckDbCopyJob):
    """Replaces the rows that have the same primary keys as a file's, in one transaction.

    Of several rows with one key, the latest by the column with the hint `dedup_sort` counts, else
    the last.
    """

    def run(self) -> None:
        table = self._job_client.schema.tables[self.load_table_name]
        key = [identifier(name) for name in get_columns_names_with_prop(table, "primary_key")]
        latest = [identifier(name) for name in get_columns_names_with_prop(table, "dedup_sort")]
        newest_first = [f"{name} desc nulls last" for name in (*latest, "file_row_number")]
        client = self._job_client.sql_client
        parts = {
            "table": client.make_qualified_table_name(self.load_table_name),
            "rows": f"read_parquet({literal(self._file_path)}, file_row_number = true)",
            "is_same": " and ".join(f"stored.{name} = loaded.{name}" for name in key),
            "key": ", ".join(key),
            "newest_first": ", ".join(newest_first),
        }
        with client.begin_transaction():
            client.execute_sql(DELETE.format_map(parts))
            client.execute_sql(INSERT.format_map(parts))


class MergingClient(DuckDbClient):
    """Merges without staging tables."""

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:
        return False

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """Raises `DestinationTerminalException` for rows to merge that are not Parquet."""
        if table["write_disposition"] != "merge":
            return super().create_load_job(table, file_path, load_id, restore)
        if not file_path.endswith(".parquet"):
            raise DestinationTerminalException(f"Only Parquet can be merged, not {file_path}.")
        return MergeJob(file_path)

    def create_table_chain_completed_followup_jobs(
        self, table_chain: Sequence[PreparedTableSchema], *completed: Any, **named: Any
    ) -> list[FollowupJobRequest]:
        """No job after a merge, which is done by then."""
        if table_chain[0]["write_disposition"] == "merge":
            return []
        return super().create_table_chain_completed_followup_jobs(table_chain, *completed, **named)


class MergingDuckDB(FixedCapabilities, duckdb):
    """A destination of dlt's own type, so that dlt's commands and configuration know it."""

    find_connection: Callable[[], DuckDBPyConnection]

    @property
    def destination_type(self) -> str:
        return "dlt.destinations.duckdb"

    @property
    def client_class(self) -> type[MergingClient]:
        return MergingClient

    def configuration(
        self, initial_config: DuckDbClientConfiguration, accept_partial: bool = False
    ) -> DuckDbClientConfiguration:
        """The configuration of a client, which uses the current connection."""
        self.config_params["credentials"] = self.find_connection()
        found: DuckDbClientConfiguration = super().configuration(initial_config, accept_partial)
        return found


def merging_duckdb(find_connection: Callable[[], DuckDBPyConnection]) -> MergingDuckDB:
    """The destination for the connection that is open whenever dlt needs one.

    It loads one file at a time, as two may have the same key.
    """
    destination = MergingDuckDB(loader_parallelism_strategy="table-sequential")
    destination.find_connection = find_connection
    return destination
