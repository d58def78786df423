"""The tables that are loaded, and databases that another version of this program wrote."""

from collections.abc import Mapping
from typing import Final

import duckdb
import pyarrow as pa

from bedrock_async_etl.destinations import DATASET_NAME
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.models.sql_files import identifier
from bedrock_async_invokes.columns import ASYNC_INVOKES, EXTRACT_RUNS, VANISHED_INVOKES

LOAD_ID: Final = pa.field("_dlt_load_id", pa.string())
SCHEMAS: Final = {
    "async_invokes": ASYNC_INVOKES.schema.append(LOAD_ID),
    "extract_runs": EXTRACT_RUNS.schema.append(LOAD_ID),
    "vanished_invokes": VANISHED_INVOKES.schema.append(LOAD_ID),
}
STORED: Final = """
select column_name, data_type from duckdb_columns()
where database_name = current_database() and schema_name = ? and table_name = ?
"""

Columns = Mapping[str, str]
"""Types by name."""


def bring_up_to_date(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the columns that an earlier version did not know; they are null in its rows.

    Raises `CommandError` for tables that a newer version wrote: its columns would be lost in every
    row that is written again.
    """
    for name, schema in SCHEMAS.items():
        if stored := _stored(connection, name):
            _bring_up_to_date(connection, name, stored, _known(connection, schema))


def _bring_up_to_date(
    connection: duckdb.DuckDBPyConnection, table: str, stored: Columns, known: Columns
) -> None:
    _refuse_others(table, stored, known)
    for column, data_type in known.items():
        if column not in stored:
            connection.execute(
                f"alter table {DATASET_NAME}.{table} add {identifier(column)} {data_type}"
            )


def _stored(connection: duckdb.DuckDBPyConnection, table: str) -> Columns:
    """Nothing where there is no such table yet."""
    return dict(connection.execute(STORED, [DATASET_NAME, table]).fetchall())


def _known(connection: duckdb.DuckDBPyConnection, schema: pa.Schema) -> Columns:
    relation = connection.from_arrow(schema.empty_table())
    return dict(zip(relation.columns, map(str, relation.types), strict=True))


def _refuse_others(table: str, stored: Columns, known: Columns) -> None:
    unknown = sorted(stored.keys() - known.keys())
    if unknown:
        raise CommandError(
            f"{DATASET_NAME}.{table} was written by a newer version of bedrock-async-etl, which "
            f"knows {unknown[0]}: upgrade this one."
        )
    for column, data_type in stored.items():
        if data_type != known[column]:
            raise CommandError(
                f"{DATASET_NAME}.{table}.{column} is {data_type} instead of {known[column]}, as "
                "another version of bedrock-async-etl wrote it: load into a new database."
            )
