"""Build the SQL models: of each the dates whose input has changed, all models in one transaction.

Readers see one set or the next, and a build costs as much as has changed.
"""

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import duckdb

from bedrock_async_etl.configuration import configured
from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.destinations.database.dates import Dates, has_date_in, in_portions, spread
from bedrock_async_etl.destinations.database.model_tables import (
    DATED_BY,
    EngineError,
    ModelTables,
    model_table,
)
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.formatting import identifier, literal
from bedrock_async_etl.logs import log_event
from bedrock_async_etl.models.sql_files import SqlFile, read_models, restricted, sql_paths
from bedrock_async_etl.models.state import (
    BuildState,
    TableName,
    digest,
    key,
    model_fingerprints,
    sql_name,
    table_fingerprint,
)
from bedrock_async_invokes.columns import ASYNC_INVOKES, TABLES

STORED_TABLES: Final = """
select lower(table_schema), lower(table_name)
from information_schema.tables
where table_catalog = current_database() and table_schema <> ?
"""
LOADED: Final = (DATASET_NAME, ASYNC_INVOKES.name)
FORMER: Final = ("hours", "lifetimes")
"""Models of earlier versions, which kept no definitions."""
DATED_KINDS: Final = ("DATE", "TIMESTAMP WITH TIME ZONE")
WHOLE_NUMBER: Final = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER")
LINE: Final = re.compile(r"^LINE (\d+):", re.MULTILINE)

DateColumn = tuple[str, str]
"""Column and its type, by which the rows of a table have dates."""
DatedTables = Mapping[TableName, DateColumn]
BuildProgress = Callable[["BuiltModel", int], None]
"""Called with each model that was built, and the number of all."""


@dataclass(frozen=True)
class BuiltModel:
    """One model of a build: its rows, and the time it took."""

    name: str
    rows: int
    seconds: float
    dates: int | None = None
    """Dates that were built anew; None where it was built whole."""


def find_models(models: str | None = None) -> Path | None:
    """The folder of the user's models, else the one in dlt's configuration.

    Raises `UsageError` where it has no SQL files.
    """
    models = models or configured("models", str)
    if models and not sql_paths(Path(models)):
        raise UsageError(f"{models} has no .sql files: --models names a folder with your own.")
    return Path(models) if models else None


def build_tables(
    tables: ModelTables,
    user_models: Path | None = None,
    progress: BuildProgress | None = None,
    *,
    is_full: bool = False,
) -> list[BuiltModel]:
    """Bring every model up to date, with those in the folder `user_models`.

    Readers see all at once. Raises `CommandError`, and leaves the models as they were, where one
    cannot be built.
    """
    ordered = in_order(read_models(user_models), stored_tables(tables.connection))
    try:
        return _build_all(tables, ordered, progress, is_full=is_full)
    except CommandError as error:
        if not isinstance(error.__cause__, duckdb.OutOfMemoryException):
            raise
    tables.lift_memory_limit()
    return _build_all(tables, ordered, progress, is_full=is_full)


def _build_all(
    tables: ModelTables,
    ordered: Sequence[SqlFile],
    progress: BuildProgress | None,
    *,
    is_full: bool,
) -> list[BuiltModel]:
    built: list[BuiltModel] = []
    with _transaction(tables.connection):
        build = ModelBuild(tables, is_full=is_full)
        for model in ordered:
            built.append(build.build(model))
            if progress:
                progress(built[-1], len(ordered))
        build.finish(ordered)
    return built


class ModelBuild:
    """A build of the models, one after the other: of each, the dates whose input has changed."""

    def __init__(self, tables: ModelTables, *, is_full: bool = False) -> None:
        self._tables = tables
        self._is_full = is_full
        self._stored = tables.names()
        self._before = BuildState.read(tables)
        self._after = self._before.next()
        self._dated: dict[TableName, DateColumn] = {}
        self._changed: dict[TableName, Dates] = {}
        self._definitions: dict[TableName, str] = {}
        self._made: list[SqlFile] = []

    def build(self, model: SqlFile) -> BuiltModel:
        """Bring a model up to date; raises `CommandError`, naming file and line."""
        started = time.monotonic()
        table = (ANALYTICS_NAME, model.name)
        rows = model_table(model.name)
        with _explained(model):
            for each in sorted(model.reads - self._changed.keys()):
                self._look_at(each)
            is_kept = self._is_kept(table, model)
            dates = self._stale_dates(model) if is_kept and model.dated_by else None
            if dates is None:
                self._make(model)
            elif dates:
                rows = self._stage(model, dates)
            if model.dated_by:
                self._dated[table] = self._date_column(model, model_table(model.name))
                self._tables.dated[model.name] = self._dated[table]
            found = model_fingerprints(self._tables, model, rows, self._definitions[table], dates)
            changed = self._after.update(key(table), self._before, found, dates)
            if is_kept and dates is None:
                self._tables.leave(model.name, changed)
            elif dates is None and model.dated_by and not model.is_shipped:
                self._warn_if_not_dated(model)
            elif dates and changed:
                condition = _is_in(self._dated[table], changed)
                self._tables.replace(model.name, rows, changed, condition)
        self._changed[table] = changed
        count = sum(each.rows for each in self._after.fingerprints[key(table)].values())
        number = None if dates is None else len(dates)
        return BuiltModel(model.name, count, time.monotonic() - started, number)

    def finish(self, ordered: Sequence[SqlFile]) -> None:
        """Keep what the next build has to know, and put the descriptions into the database."""
        gone = {*self._before.definitions, *FORMER} - {model.name for model in ordered}
        for name in sorted(gone):
            self._tables.drop(name)
        if own := sorted(gone & self._stored - {*FORMER}):
            message = f"Dropped the tables {', '.join(own)}: no SQL file has them any more."
            log_event("dropped", message, logging.WARNING, models=own)
        self._tables.clear()
        self._after.write(self._tables)
        _comment(self._tables, ordered, self._made)

    def _look_at(self, table: TableName) -> None:
        """Find the dates of a loaded table that have changed; of others, whether any row has."""
        columns = self._tables.columns(sql_name(table))
        self._definitions[table] = digest(str(columns))
        if table == LOADED:
            before = self._before.fingerprints.get(key(table), {})
            found = self._tables.input_fingerprints(before)
            self._dated[table] = DATED_BY, columns[DATED_BY]
        else:
            found = table_fingerprint(self._tables, sql_name(table))
        self._changed[table] = self._after.update(key(table), self._before, found, None)

    def _is_kept(self, table: TableName, model: SqlFile) -> bool:
        """True where a model may keep some or all of its rows."""
        read = [self._definitions[each] for each in sorted(model.reads)]
        definition = digest(model.text, str(model.dated_by), str(model.reads_back), *read)
        self._definitions[table] = self._after.definitions[model.name] = definition
        return (
            not self._is_full
            and self._before.definitions.get(model.name) == definition
            and model.name in self._stored
        )

    def _stale_dates(self, model: SqlFile) -> Dates | None:
        """The dates on which a model may have other rows now; None for all."""
        stale: Dates = frozenset()
        for table in model.reads:
            changed = self._changed[table]
            if changed and (table not in self._dated or model.reads_back is None):
                return None
            stale |= spread(changed, after=model.reads_back or 0)
        return stale

    def _make(self, model: SqlFile) -> None:
        """Make a whole model, one portion of its dates after the other.

        Of a large one, which declares `versioned_by`, only what differs is written.
        """
        portions = self._portions(model, None)
        is_large = model.dated_by and model.versioned_by
        dated = None
        if is_large or len(portions) > 1:
            dated = self._date_column(model, f"(\n{model.text}\n)")
        selects = [self._select(model, dated, dates) for dates in portions]
        if not (is_large and dated and self._tables.renew(model.name, selects, dated)):
            self._tables.create(model.name, selects)
        self._made.append(model)

    def _portions(self, model: SqlFile, dates: Dates | None) -> list[Dates | None]:
        """The dates to build (None: all), split so that memory holds what each portion reads.

        One portion where no split is needed, or none is possible.
        """
        limit = self._tables.portion_rows
        reads_dated_alone = model.dated_by and not model.reads - self._dated.keys()
        if limit is None or model.reads_back is None or not reads_dated_alone:
            return [dates]
        rows: Counter[date | None] = Counter()
        for table in model.reads:
            for day, found in self._after.fingerprints[key(table)].items():
                rows[day] += found.rows
        days = spread(frozenset(rows), after=model.reads_back) if dates is None else dates
        portions = in_portions(days, rows, limit, before=model.reads_back)
        return list(portions) if len(portions) > 1 else [dates]

    def _warn_if_not_dated(self, model: SqlFile) -> None:
        """Warn if a date of a new model has other rows when it is built alone, as later.

        Whole numbers are compared: sums of others may differ in the last digit. Of two dates, since
        the first day of a week may be all there is of it.
        """
        if model.reads_back is None:  # It is never built by dates.
            return
        table = model_table(model.name)
        dated = self._dated[ANALYTICS_NAME, model.name]
        kinds = self._tables.columns(table)
        compared = [dated[0], *(name for name in kinds if WHOLE_NUMBER.fullmatch(kinds[name]))]
        whole = self._tables.fingerprints(table, dated, compared)
        for day in sorted(day for day in whole if day)[-2:]:
            rows = f"({self._select(model, dated, frozenset({day}))}\n)"
            alone = self._tables.fingerprints(rows, dated, compared)
            if alone.get(day) != whole[day]:
                message = (
                    f"{model.path}: the rows of {day} depend on the input of other dates, too, and "
                    "will be wrong when that date alone is built: leave out "
                    f"`dated by: {dated[0]}`, or say how far it `reads back`."
                )
                log_event("not_dated", message, logging.WARNING, model=model.name, date=str(day))
                return

    def _stage(self, model: SqlFile, dates: Dates) -> str:
        """Build some dates of a model anew, beside it; returns the table of their rows."""
        dated = self._date_column(model, model_table(model.name))
        selects = [self._select(model, dated, each) for each in self._portions(model, dates)]
        return self._tables.stage(model.name, selects, model.versioned_by)

    def _select(self, model: SqlFile, dated: DateColumn | None, dates: Dates | None) -> str:
        """The rows of some dates of a model, or all; the file's text begins on the second line."""
        if dated is None or dates is None:
            return f"\n{model.text}"
        read = spread(dates, before=model.reads_back or 0)
        text = restricted(model, conditions(self._dated, model, read))
        return f"from (\n{text}\n) where {_is_in(dated, dates)}"

    def _date_column(self, model: SqlFile, rows: str) -> DateColumn:
        """The column by which a model is dated, and its type."""
        assert model.dated_by
        columns = self._tables.columns(rows)
        for unknown in sorted(set(model.versioned_by) - columns.keys()):
            raise CommandError(f"{model.path} is versioned by {unknown}, which is no column of it.")
        kind = columns.get(model.dated_by)
        if kind not in DATED_KINDS:
            raise CommandError(
                f"{model.path} is dated by {model.dated_by}, which has to be a column that is a "
                "date or a timestamp with time zone."
            )
        return model.dated_by, str(kind)


def conditions(dated: DatedTables, file: SqlFile, dates: Dates) -> dict[TableName, str]:
    """By dated table that a file reads: the SQL condition that its rows have these dates."""
    return {table: _is_in(dated[table], dates) for table in file.reads & dated.keys()}


def _is_in(dated: DateColumn, dates: Dates) -> str:
    column, kind = dated
    return has_date_in(identifier(column), kind, dates)


@contextmanager
def _explained(model: SqlFile) -> Iterator[None]:
    """Turn DuckDB's errors into a `CommandError` that names file and line."""
    try:
        yield
    except duckdb.Error as error:
        raise CommandError(
            f"{model.path}{place(error)} The models are as they were before."
        ) from error
    except EngineError as error:
        raise CommandError(f"{model.path}: {error}. The models are as they were before.") from error


def in_order(models: Sequence[SqlFile], stored: Iterable[tuple[str, str]] = ()) -> list[SqlFile]:
    """The models, each after those that it reads; `stored` are schemas and names of other tables.

    Raises `CommandError`, naming the file, for an unknown table and for a circle.
    """
    by_table = {(ANALYTICS_NAME, model.name): model for model in models}
    known = set(stored) | by_table.keys()
    for model in models:
        for unknown in sorted(model.reads - known):
            raise CommandError(_unknown_table(model, *unknown))
    reads = {table: sorted(model.reads & by_table.keys()) for table, model in by_table.items()}
    try:
        return [by_table[table] for table in TopologicalSorter(reads).static_order()]
    except CycleError as error:
        circle = [by_table[table].path for table in error.args[1]]
        raise CommandError(
            f"Models read each other in a circle: {' reads '.join(map(str, reversed(circle)))}."
        ) from None


def _unknown_table(model: SqlFile, schema: str, name: str) -> str:
    if schema == DATASET_NAME and name in TABLES:
        return f"There is no table {schema}.{name} yet: load it first with `run`."
    hint = "" if schema else f" Models are called {ANALYTICS_NAME}.NAME."
    return f"{model.path} reads {f'{schema}.' if schema else ''}{name}, which is not there.{hint}"


def stored_tables(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Schema and name of every table that is no model; those in `main` need no schema."""
    tables = set(connection.execute(STORED_TABLES, [ANALYTICS_NAME]).fetchall())
    return tables | {("", name) for schema, name in tables if schema == "main"}


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def place(error: duckdb.Error) -> str:
    """Line and reason of the error in a statement whose file begins on its second line."""
    line = LINE.search(str(error))
    reason = " ".join(str(error).partition("\n\nLINE")[0].split())
    return f"{f', line {int(line[1]) - 1}' if line else ''}: {reason.removesuffix('.')}."


def _comment(tables: ModelTables, ordered: Sequence[SqlFile], made: Sequence[SqlFile]) -> None:
    """Put the descriptions of the files of new tables into the database.

    A column that a model's file does not describe has the description of the table it comes from.
    """
    explained: dict[tuple[str, str], dict[str, str]] = {}
    statements = []
    for model in ordered:
        inherited: dict[str, str] = {}
        for table in sorted(model.reads):
            inherited |= explained.get(table, {})
        explained[ANALYTICS_NAME, model.name] = columns = inherited | model.columns
        if model not in made:
            continue
        name = model_table(model.name)
        statements.append(f"comment on table {name} is {literal(model.description)}")
        statements += [
            f"comment on column {name}.{identifier(column)} is {literal(columns[column])}"
            for column in tables.columns(name)
            if column in columns
        ]
    tables.connection.execute(";\n".join(statements))
