"""Drift between a listing and its copy that no increment sees: in the service, or in the table."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.iceberg import Format as IcebergFormat
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake.iceberg.data_files import (
    Part,
    days_of,
    distinct,
    partition_of,
    rows_of,
    unique_name,
    write,
)
from bedrock_async_etl.destinations.lake.iceberg.snapshots import current_files, replace_files
from bedrock_async_invokes.columns import ASYNC_INVOKES
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, REGION

Plant = Callable[[Control, Destination, str], None]
"""Plants drift; the text is the ARN of an old invocation that has ended."""


def listed_late(bedrock: Control, destination: Destination, arn: str) -> None:
    submitted = bedrock.now() - timedelta(days=5)
    bedrock.submit(ACCOUNT, REGION, submit_time=submitted, duration=timedelta(minutes=1))


def listed_late_and_open(bedrock: Control, destination: Destination, arn: str) -> None:
    bedrock.submit(ACCOUNT, REGION, submit_time=bedrock.now() - timedelta(days=5))


def changed_after_its_end(bedrock: Control, destination: Destination, arn: str) -> None:
    list_anew(bedrock, arn, status="Failed", failureMessage="Changed.")


def open_after_its_end(bedrock: Control, destination: Destination, arn: str) -> None:
    list_anew(bedrock, arn, status="InProgress", endTime=None, failureMessage=None)


def list_anew(bedrock: Control, arn: str, **members: Any) -> None:
    """List an invocation with other members; None leaves a member out."""
    [summary] = [each for each in bedrock.listing(ACCOUNT, REGION) if each["invocationArn"] == arn]
    at = datetime.fromisoformat(summary["submitTime"])
    bedrock.remove(ACCOUNT, REGION, arn)
    changed = {name: value for name, value in (summary | members).items() if value is not None}
    bedrock.put_raw(ACCOUNT, REGION, at, changed)


def deleted(bedrock: Control, destination: Destination, arn: str) -> None:
    tamper(destination, lambda rows: rows.filter(pc.not_equal(rows["invocation_arn"], arn)))


def falsified(bedrock: Control, destination: Destination, arn: str) -> None:
    """The status, which no index and no partition depends on."""

    def falsify(rows: pa.Table) -> pa.Table:
        is_other = pc.not_equal(rows["invocation_arn"], arn)
        at = rows.schema.get_field_index("status")
        values = pc.if_else(is_other, rows["status"], "Falsified")
        return rows.set_column(at, rows.schema.field(at), values)

    tamper(destination, falsify)


DRIFTS: Final[dict[str, tuple[Plant, str]]] = {
    "listed_late": (listed_late, "missing"),
    "listed_late_and_open": (listed_late_and_open, "missing"),
    "changed_after_its_end": (changed_after_its_end, "different"),
    "open_after_its_end": (open_after_its_end, "different"),
    "deleted": (deleted, "missing"),
    "falsified": (falsified, "different"),
}
"""Kinds of drift: how to plant one, and what it is to a comparison."""


def tamper(destination: Destination, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of `async_invokes` behind the back of the product."""
    if isinstance(destination, DuckDBDestination):
        with duckdb.connect(destination.database) as connection:
            rows = connection.sql("from bedrock.async_invokes").to_arrow_table()
            changed = change(rows)
            connection.execute("truncate bedrock.async_invokes")
            connection.execute("insert into bedrock.async_invokes by name from changed")
            assert changed != rows
        return
    assert isinstance(destination, LakeDestination)
    stored = destination.stored_format
    if isinstance(stored, IcebergFormat):
        rewrite(stored, change)
        return
    folder = Path(destination.files.root, "bedrock", "async_invokes")
    if stored.partitioned_by:
        from deltalake import DeltaTable, write_deltalake

        table = DeltaTable(folder).to_pyarrow_table()
        write_deltalake(folder, change(table), mode="overwrite", partition_by="submit_date")
        return
    for path in folder.glob("*.parquet"):
        pq.write_table(change(pq.read_table(path)), path)


def rewrite(stored: IcebergFormat, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change all rows of an Iceberg table, in a snapshot without progress."""
    table = stored.tables.find(("bedrock", "async_invokes"))
    assert table is not None
    rows = change(table.scan().to_arrow().cast(ASYNC_INVOKES.stored_schema))
    days = days_of(rows, "submit_time")
    parts = (
        Part(unique_name(str(day)), rows_of(rows, days, day), partition_of(table, day))
        for day in distinct(days)
    )
    added = write(table.io, table.metadata, parts)
    replace_files(table, added, current_files(table), {})
