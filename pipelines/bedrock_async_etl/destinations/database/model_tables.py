"""The tables of the models in a DuckDB database, and what is known of their rows by date."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final

import duckdb

from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.destinations.database.dates import Dates, date_of, has_date_in
from bedrock_async_etl.files.parquet import table_names
from bedrock_async_etl.formatting import identifier, literal
from bedrock_async_invokes.columns import ASYNC_INVOKES

BUILDS_NAME: Final = "bedrock_builds"
"""The schema of what builds keep; that of the models has only models."""
BUILD_SETTINGS: Final = """
set memory_limit = '1GB';
set preserve_insertion_order = false;
"""
TABLES: Final = f"""
create schema if not exists {ANALYTICS_NAME};
create schema if not exists {BUILDS_NAME};
create table if not exists {BUILDS_NAME}.definitions (model varchar, definition varchar);
create table if not exists {BUILDS_NAME}.fingerprints (
    table_name varchar, day date, rows bigint, fingerprint varchar, build bigint
);
create table if not exists {BUILDS_NAME}.checked (
    check_name varchar, definition varchar, build bigint
);
create table if not exists {BUILDS_NAME}.broken (check_name varchar, day date);
"""
INPUT: Final = f"{DATASET_NAME}.{ASYNC_INVOKES.name}"
DATED_BY: Final = "submit_date"
"""Column that dates the loaded invocations."""
INPUT_DATES: Final = f"""
select
    {DATED_BY},
    count(*),
    concat_ws('-', count(*), sum(epoch_us(observed_at)), bit_xor(epoch_us(observed_at)))
from {INPUT}
group by {DATED_BY}
"""  # noqa: S608
"""Each change of a row changes its `observed_at`."""
REPLACE: Final = """
create or replace temp table changed_rows as
select version
from (
    select {version} as version, 1 as number from {rows} where {condition}
    union all
    select {version}, -1 from {table} where {condition}
)
group by version
having sum(number) <> 0;
delete from {table} where {condition} and {version} in (from changed_rows);
insert into {table} from {rows} where {condition} and {version} in (from changed_rows);
"""
CLEAR: Final = """
drop table if exists staged_table;
drop view if exists staged_view;
drop table if exists changed_rows;
"""


@dataclass(frozen=True)
class Fingerprint:
    """Number and hash of the rows of a date, or of a table."""

    rows: int
    value: str


Fingerprints = Mapping[date | None, Fingerprint]


class EngineError(Exception):
    """The reason why an engine cannot build a model."""


class ModelTables:
    """The models of a database while they are built."""

    kind: ClassVar = "table"
    """The kind of object that stores a model."""
    portion_rows: ClassVar[int | None] = 6_000_000
    """Rows that a portion of a model reads at most, unless one date has more; None for all."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.dated: dict[str, tuple[str, str]] = {}
        """Column and its type, by which the rows of a model have dates."""
        self._versioned: dict[str, Sequence[str]] = {}
        """Columns that show whether a row of a model has changed; all, where none is named."""
        self._columns: dict[str, dict[str, str]] = {}

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> "ModelTables":
        """The tables of a connection that may write."""
        connection.execute(f"{BUILD_SETTINGS}; {TABLES}")
        return cls(connection)

    def lift_memory_limit(self) -> None:
        """Raise the memory limit to DuckDB's default."""
        self.connection.execute(f"set memory_limit = {literal(usual_memory_limit())}")

    def names(self) -> set[str]:
        """The existing models. Asking for a missing one would end a transaction."""
        return set(table_names(self.connection, ANALYTICS_NAME))

    def columns(self, table: str) -> dict[str, str]:
        """Types by name of the column."""
        if table not in self._columns:
            described = self.connection.execute(f"describe from {table}").fetchall()
            self._columns[table] = {name: kind for name, kind, *_ in described}
        return self._columns[table]

    def input_fingerprints(self, before: Fingerprints) -> Fingerprints:
        """Fingerprints of the loaded invocations by date; `before` are the last build's."""
        return read_fingerprints(self.connection, INPUT_DATES)

    def fingerprints(
        self, rows: str, dated: tuple[str, str], columns: Iterable[str]
    ) -> Fingerprints:
        """Fingerprints by date of some columns of a table."""
        values = f"{date_of(identifier(dated[0]), dated[1])}, {fingerprint_of(columns)}"
        query = f"select {values} from {rows} group by all"  # noqa: S608
        return read_fingerprints(self.connection, query)

    def create(self, name: str, selects: Sequence[str]) -> None:
        """Make or replace the table of a model with the rows of SELECTs."""
        self._columns.pop(model_table(name), None)
        self._fill("table", model_table(name), selects)

    def renew(self, name: str, selects: Sequence[str], dated: tuple[str, str]) -> bool:
        """Bring the table of a dated model to the rows of SELECTs, writing only what differs.

        Comparing a date takes a fifth of the time of writing it. Returns False, and changes
        nothing, where there is no such table, or most of its dates differ.
        """
        table, columns = model_table(name), self.columns(f"({selects[0]}\n)")
        if name not in self.names() or [*self.columns(table).items()] != [*columns.items()]:
            return False
        rows = self.stage(name, selects, dated[:1])
        new, stored = (self.fingerprints(each, dated, columns) for each in (rows, table))
        changed = frozenset(day for day, _ in new.items() ^ stored.items())
        if 2 * len(changed) > len(new):
            return False
        self._versioned[name] = ()
        self.replace(name, rows, changed, has_date_in(identifier(dated[0]), dated[1], changed))
        return True

    def stage(self, name: str, selects: Sequence[str], versioned_by: Sequence[str]) -> str:
        """Put the rows of SELECTs into a table beside the model's; returns its name.

        It is a view where a few columns identify a version: others are read only for new rows.
        """
        self._versioned[name] = versioned_by
        if versioned_by:
            self._fill("temp view", "staged_view", ["\nunion all ".join(selects)])
            return "staged_view"
        self._fill("temp table", "staged_table", selects)
        return "staged_table"

    def replace(self, name: str, rows: str, dates: Dates, condition: str) -> None:
        """Replace the rows of some dates, which meet a condition, by the staged ones.

        Equal rows stay in place: a date has many rows, and few of them change.
        """
        table = model_table(name)
        version = (
            f"hash({', '.join(map(identifier, self._versioned[name] or self.columns(table)))})"
        )
        self.connection.execute(
            REPLACE.format(table=table, rows=rows, version=version, condition=condition)
        )

    def _fill(self, kind: str, table: str, selects: Sequence[str]) -> None:
        """Make a table, or a view of one SELECT. Memory holds what one SELECT needs."""
        first, *others = selects
        # The SELECT begins on the first line, as it has to.
        self.connection.execute(f"create or replace {kind} {table} as {first}")
        for select in others:
            self.connection.execute(f"insert into {table} {select}")

    def leave(self, name: str, changed: Dates) -> None:
        """Keep the stored rows of a model that was made, except on dates with other rows."""

    def clear(self) -> None:
        """Remove what was staged."""
        self.connection.execute(CLEAR)

    def drop(self, name: str) -> None:
        """Remove a model."""
        self._columns.pop(model_table(name), None)
        self.connection.execute(f"drop {self.kind} if exists {model_table(name)}")


def usual_memory_limit() -> str:
    """DuckDB's default, as text: `reset memory_limit` has no effect in DuckDB 1.5."""
    with duckdb.connect() as untouched:
        [(limit,)] = untouched.execute("select current_setting('memory_limit')").fetchall()
    return str(limit)


def keep(connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Sequence[Any]]) -> None:
    """Replace the rows of a table of `bedrock_builds`."""
    table = f"{BUILDS_NAME}.{name}"
    connection.execute(f"delete from {table}")  # noqa: S608
    if rows:
        kinds = [kind for _, kind, *_ in connection.execute(f"describe {table}").fetchall()]
        columns = ", ".join(f"unnest(cast(? as {kind}[]))" for kind in kinds)
        values = [list(each) for each in zip(*rows, strict=True)]
        connection.execute(f"insert into {table} select {columns}", values)


def read_fingerprints(
    connection: duckdb.DuckDBPyConnection, query: str, *values: str
) -> Fingerprints:
    """Fingerprints by date, of a query that returns date, number of rows and value."""
    rows = connection.execute(query, values).fetchall()
    return {day: Fingerprint(count, value) for day, count, value in rows}


def fingerprint_of(columns: Iterable[str]) -> str:
    """The SQL of the number of rows, and of a hash that is the same in any order."""
    hashed = ", ".join(map(identifier, columns))
    return f"count(*), concat_ws('-', count(*), sum(hash({hashed})))"


def model_table(name: str) -> str:
    """The table of a model, as SQL names it."""
    return f"{ANALYTICS_NAME}.{identifier(name)}"
