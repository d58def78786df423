"""The tables of the models in a DuckDB database, and what is known of their rows by date."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import duckdb

from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.formatting import identifier
from bedrock_async_invokes.columns import ASYNC_INVOKES

BUILDS_NAME: Final = "bedrock_builds"
"""The schema of what builds keep; that of the models has none but them."""
TABLES: Final = f"""
create schema if not exists {ANALYTICS_NAME};
create schema if not exists {BUILDS_NAME};
create table if not exists {BUILDS_NAME}.definitions (model varchar, definition varchar);
create table if not exists {BUILDS_NAME}.fingerprints (
    table_name varchar, day date, rows bigint, fingerprint varchar, build bigint
);
create table if not exists {BUILDS_NAME}.checked (build bigint);
"""
INPUT: Final = f"{DATASET_NAME}.{ASYNC_INVOKES.name}"
INPUT_DATES: Final = f"""
select
    submit_date,
    count(*),
    concat_ws('-', count(*), sum(epoch_us(observed_at)), bit_xor(epoch_us(observed_at)))
from {INPUT}
group by submit_date
"""  # noqa: S608
"""Whatever becomes of a row, it is read anew."""


@dataclass(frozen=True)
class Fingerprint:
    """What tells the rows of a date, or of a table, from others."""

    rows: int
    value: str


Fingerprints = Mapping[date | None, Fingerprint]


class ModelTables:
    """The models of a database while they are built."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> "ModelTables":
        """The tables of a connection that may write."""
        connection.execute(TABLES)
        return cls(connection)

    def columns(self, table: str) -> dict[str, str]:
        """Types by name of the column; none where there is no such table."""
        try:
            described = self.connection.execute(f"describe from {table}").fetchall()
        except duckdb.CatalogException:
            return {}
        return {name: kind for name, kind, *_ in described}

    def input_fingerprints(self) -> Fingerprints:
        """By date of the invocations that were loaded."""
        rows = self.connection.execute(INPUT_DATES).fetchall()
        return {day: Fingerprint(count, value) for day, count, value in rows}

    def create(self, name: str, select: str) -> None:
        """Make the table of a model, in place of the one there is."""
        self.connection.execute(f"create or replace table {model_table(name)} as {select}")

    def append(self, name: str, select: str) -> None:
        """Add rows to the table of a model."""
        self.connection.execute(f"insert into {model_table(name)} {select}")

    def remove(self, name: str, condition: str) -> None:
        """Remove rows from the table of a model."""
        self.connection.execute(
            f"delete from {model_table(name)} where {condition}"  # noqa: S608
        )

    def drop(self, name: str) -> None:
        """Remove the table of a model that there is no more."""
        self.connection.execute(f"drop table if exists {model_table(name)}")


def fingerprint_of(columns: Iterable[str]) -> str:
    """The SQL of the number of rows, and of what tells them from others, whatever their order."""
    hashed = ", ".join(map(identifier, columns))
    return f"count(*), concat_ws('-', count(*), sum(hash({hashed})))"


def model_table(name: str) -> str:
    """The table of a model, as SQL names it."""
    return f"{ANALYTICS_NAME}.{identifier(name)}"
