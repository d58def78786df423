"""Upgrades of tables that another version of this program wrote."""

from collections.abc import Iterator, Mapping
from typing import Final

import duckdb

from bedrock_async_etl.destinations import DATASET_NAME
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.formatting import identifier
from bedrock_async_invokes.columns import TABLES, no_rows

STORED: Final = """
select column_name, data_type from duckdb_columns()
where database_name = current_database() and schema_name = ? and table_name = ?
"""


def upgrade(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the columns that an earlier version did not have; they are null in its rows.

    Raises `CommandError` for tables that a newer version wrote: its columns would be lost in every
    row that is written again.
    """
    for table, column, data_type in list(_missing_columns(connection)):
        connection.execute(
            f"alter table {DATASET_NAME}.{table} add {identifier(column)} {data_type}"
        )


def lacks_columns(connection: duckdb.DuckDBPyConnection) -> bool:
    """True where `upgrade` would add columns; raises what it raises."""
    return bool(list(_missing_columns(connection)))


def _missing_columns(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, str]]:
    """Table, name and type of each declared column that a stored table lacks."""
    for name, table in TABLES.items():
        stored = dict(connection.execute(STORED, [DATASET_NAME, name]).fetchall())
        rows = connection.from_arrow(no_rows(table.stored_schema))
        declared = dict(zip(rows.columns, map(str, rows.types), strict=True))
        _refuse_others(name, stored, declared)
        for column in declared if stored else ():
            if column not in stored:
                yield name, column, declared[column]


def _refuse_others(table: str, stored: Mapping[str, str], declared: Mapping[str, str]) -> None:
    """Raise `CommandError` for columns, by name and type, that are not declared."""
    unknown = sorted(stored.keys() - declared.keys())
    if unknown:
        raise CommandError(
            f"{DATASET_NAME}.{table} was written by a newer version of bedrock-async-etl, which "
            f"knows {unknown[0]}: upgrade this one."
        )
    for column, data_type in stored.items():
        if data_type != declared[column]:
            raise CommandError(
                f"{DATASET_NAME}.{table}.{column} is {data_type} instead of {declared[column]}, as "
                "another version of bedrock-async-etl wrote it: load into a new database."
            )
