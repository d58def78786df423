"""Build the SQL models: all of them in one transaction, so that readers see one set or the next."""

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import duckdb

from bedrock_async_etl.configuration import configured
from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME, Destination
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.formatting import identifier, literal
from bedrock_async_etl.models.sql_files import SqlFile, read_models, sql_paths
from bedrock_async_etl.options import SECTION
from bedrock_async_invokes.columns import TABLES

STORED_TABLES: Final = """
select lower(table_schema), lower(table_name)
from information_schema.tables
where table_catalog = current_database() and table_schema <> ?
"""
DIGEST: Final = f"{ANALYTICS_NAME}.models_digest"
LINE: Final = re.compile(r"^LINE (\d+):", re.MULTILINE)

BuildProgress = Callable[["BuiltModel", int], None]
"""Called with each model that was built, and the number of all."""


@dataclass(frozen=True)
class BuiltModel:
    """One model of a build: its rows, and the time it took."""

    name: str
    rows: int
    seconds: float


def find_models(models: str | None = None) -> Path | None:
    """The folder of the user's models, else the one in dlt's configuration.

    Raises `UsageError` where it has no SQL files.
    """
    models = models or configured(SECTION, "models", str)
    if models and not sql_paths(Path(models)):
        raise UsageError(f"{models} has no .sql files: --models names a folder with your own.")
    return Path(models) if models else None


def build_models(
    destination: Destination,
    user_models: Path | None = None,
    progress: BuildProgress | None = None,
) -> list[BuiltModel]:
    """Rebuild every model, with those in the folder `user_models`, and publish them.

    Raises `CommandError`, and leaves the models as they were, where one cannot be built.
    """
    models = read_models(user_models)
    built: list[BuiltModel] = []
    with destination.existing().locked(), destination.model_build() as connection:
        ordered = in_order(models, stored_tables(connection))
        with _transaction(connection):
            connection.execute(f"create schema if not exists {ANALYTICS_NAME}")
            for model in ordered:
                built.append(build_model(connection, model))
                if progress:
                    progress(built[-1], len(models))
            _comment(connection, ordered)
            # A macro, as every table there is a model. Who publishes a copy compares it.
            connection.execute(f"create or replace macro {DIGEST}() as {literal(_digest(ordered))}")
    return built


def _digest(models: Iterable[SqlFile]) -> str:
    """The same for the same SQL under the same names."""
    texts = sorted(f"{model.name}\0{model.text}\0" for model in models)
    return hashlib.sha256("".join(texts).encode()).hexdigest()


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


def build_model(connection: duckdb.DuckDBPyConnection, model: SqlFile) -> BuiltModel:
    """Make the table of one model; raises `CommandError`, naming file and line, where it fails."""
    started = time.monotonic()
    # The file begins on a line of its own, so that DuckDB's line is the file's and one more.
    statement = f"create or replace table {_table(model)} as\n{model.text}"
    try:
        [(rows,)] = connection.execute(statement).fetchall()
    except duckdb.Error as error:
        raise CommandError(
            f"{model.path}{place(error)} The models are as they were before."
        ) from error
    return BuiltModel(model.name, rows, time.monotonic() - started)


def place(error: duckdb.Error) -> str:
    """Line and reason of the error in a statement whose file begins on its second line."""
    line = LINE.search(str(error))
    reason = " ".join(str(error).partition("\n\nLINE")[0].split())
    return f"{f', line {int(line[1]) - 1}' if line else ''}: {reason.removesuffix('.')}."


def _comment(connection: duckdb.DuckDBPyConnection, ordered: Sequence[SqlFile]) -> None:
    """Put the descriptions of the files into the database.

    A column that a model's file does not describe has the description of the table it comes from.
    """
    explained: dict[tuple[str, str], dict[str, str]] = {}
    statements = []
    for model in ordered:
        inherited: dict[str, str] = {}
        for table in sorted(model.reads):
            inherited |= explained.get(table, {})
        explained[ANALYTICS_NAME, model.name] = columns = inherited | model.columns
        statements.append(f"comment on table {_table(model)} is {literal(model.description)}")
        statements += [
            f"comment on column {_table(model)}.{identifier(name)} is {literal(columns[name])}"
            for name in connection.sql(f"from {_table(model)}").columns
            if name in columns
        ]
    connection.execute(";\n".join(statements))


def _table(model: SqlFile) -> str:
    return f"{ANALYTICS_NAME}.{identifier(model.name)}"
