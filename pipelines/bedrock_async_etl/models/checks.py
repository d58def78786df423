"""Checks of the tables and models: SELECTs of the rows that break a rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb

from bedrock_async_etl.destinations import ANALYTICS_NAME, Destination
from bedrock_async_etl.destinations.database.model_tables import ModelTables
from bedrock_async_etl.formatting import identifier
from bedrock_async_etl.models.build import LOADED, LOADED_BY, place
from bedrock_async_etl.destinations.database.dates import Dates, has_date_in
from bedrock_async_etl.models.sql_files import (
    Severity,
    SqlFile,
    read_checks,
    read_models,
    restricted,
)
from bedrock_async_etl.models.state import BuildState, TableName, key, sql_name

EXAMPLES: Final = 3


@dataclass(frozen=True)
class CheckResult:
    """A rule, the number of rows that break it, and some of them."""

    name: str
    description: str
    violations: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    """Reason why it could not be run."""
    severity: Severity = "error"
    """A warning is about what AWS lists, which nobody here can mend."""

    @property
    def holds(self) -> bool:
        return not self.violations and not self.error

    @property
    def complaint(self) -> str:
        """The rule that does not hold, and the reason, in one line."""
        rows = "row breaks" if self.violations == 1 else "rows break"
        rule = f": {self.description}" if self.description else "."
        kind = "Check" if self.severity == "error" else "Warning: check"
        return f"{kind} {self.name}: {self.error or f'{self.violations:,} {rows} the rule{rule}'}"

    @property
    def complaint_with_examples(self) -> str:
        """The complaint, and under it some of the rows, one a line."""
        rows = (
            ", ".join(f"{name}={value}" for name, value in row.items()) for row in self.examples
        )
        return "\n  ".join((self.complaint, *rows))


def run_checks(
    destination: Destination, user_models: Path | None = None, *, is_full: bool = False
) -> list[CheckResult]:
    """Run every check, with those in the folder `user_models`; errors are in the results.

    A check that is dated looks at the dates that have changed since all checks held, or at all.
    """
    with destination.existing().locked(), destination.model_build() as tables:
        return check_tables(tables, user_models, is_full=is_full)


def check_tables(
    tables: ModelTables, user_models: Path | None = None, *, is_full: bool = False
) -> list[CheckResult]:
    """The same, of the tables that a destination holds open."""
    checks, state = read_checks(user_models), BuildState.read(tables)
    changed = {} if is_full or not state.build else _changed_dates(tables, user_models, state)
    results = [_run(tables.connection, check, changed) for check in checks]
    if all(result.holds or result.severity == "warning" for result in results):
        state.note_checked(tables)
    return results


@dataclass(frozen=True)
class ChangedDates:
    """The dates of a table that checks have not seen yet."""

    column: str
    kind: str
    dates: Dates


def _changed_dates(
    tables: ModelTables, user_models: Path | None, state: BuildState
) -> dict[TableName, ChangedDates]:
    """By table whose rows have dates."""
    by = {(ANALYTICS_NAME, model.name): model.dated_by for model in read_models(user_models)}
    found = {}
    for table, column in ({LOADED: LOADED_BY} | by).items():
        kind = tables.columns(sql_name(table)).get(column) if column else None
        if column and kind:
            dates = state.changed_since(state.checked, key(table))
            found[table] = ChangedDates(column, kind, dates)
    return found


def _text(check: SqlFile, changed: Mapping[TableName, ChangedDates]) -> str | None:
    """The SELECT of a check, of the dates that have changed in any table it reads; None for none."""
    read = {table: changed[table] for table in check.reads if table in changed}
    if check.dated_by is None or not read:
        return check.text
    dates = frozenset[date | None]().union(*(each.dates for each in read.values()))
    if not dates:
        return None
    conditions = {
        table: has_date_in(identifier(each.column), each.kind, dates)
        for table, each in read.items()
    }
    return restricted(check, conditions)


def _run(
    connection: duckdb.DuckDBPyConnection,
    check: SqlFile,
    changed: Mapping[TableName, ChangedDates],
) -> CheckResult:
    # The text begins on the second line, so that DuckDB's line is the file's and one more.
    result = partial(CheckResult, check.name, check.description, severity=check.severity)
    if (text := _text(check, changed)) is None:
        return result()
    statement = f"from (\n{text}\n)"
    try:
        [(violations,)] = connection.execute(f"{statement} select count(*)").fetchall()
        examples = connection.sql(f"{statement} limit {EXAMPLES if violations else 0}")
        rows: list[dict[str, Any]] = examples.to_arrow_table().to_pylist()
    except duckdb.Error as error:
        return result(error=f"{check.path}{place(error)}")
    return result(violations, rows)
