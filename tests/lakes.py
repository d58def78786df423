"""Lakes that have what a database has, without a load."""

import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.lake import LAKE_VERSION, MARKER, LakeDestination
from bedrock_async_invokes.columns import TABLES

DAY = timedelta(days=1)


def lake_of(database: Path, folder: Path, table_format: str) -> LakeDestination:
    """A lake with the rows of a database; in its change log each is there as an older one, too."""
    folder.mkdir()
    marker = {"version": LAKE_VERSION, "table_format": table_format}
    (folder / MARKER).write_text(json.dumps(marker))
    lake = LakeDestination(str(folder), table_format)
    found: dict[str, pa.Table] = {}
    for name, table in TABLES.items():
        schema = table.stored_schema
        with DuckDBDestination(database).connection() as connection:
            rows = connection.sql(f"from bedrock.{name}").select(*schema.names).to_arrow_table()
        found[name] = rows.cast(schema)
    if table_format == "iceberg":
        from bedrock_async_etl.destinations.lake.iceberg.tables import IcebergTables

        IcebergTables(lake.files, None).commit(found, "1", {})
        return lake
    for name, rows in found.items():
        store(rows, folder / "bedrock" / name, name, table_format)
    return lake


def store(rows: pa.Table, folder: Path, name: str, table_format: str) -> None:
    if name == "async_invokes" and table_format == "delta":
        from deltalake import write_deltalake

        write_deltalake(folder, rows, partition_by="submit_date")
        return
    folder.mkdir(parents=True)
    pq.write_table(rows, folder / "2.parquet")
    if name == "async_invokes":
        pq.write_table(before(rows), folder / "1.parquet")


def before(rows: pa.Table) -> pa.Table:
    """All of them as they were when they were read first: still running."""
    observed = rows["observed_at"]
    earlier = pc.subtract(observed, pa.scalar(DAY, pa.duration("us")))
    columns = {"status": pa.repeat("InProgress", rows.num_rows), "observed_at": earlier}
    names = rows.column_names
    return pa.table({name: columns.get(name, rows[name]) for name in names}, rows.schema)
