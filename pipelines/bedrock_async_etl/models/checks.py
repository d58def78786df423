"""Checks of the tables and models: SELECTs of the rows that break a rule."""

from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb

from bedrock_async_etl.destinations import ANALYTICS_NAME
from bedrock_async_etl.destinations.database.dates import Dates
from bedrock_async_etl.destinations.database.model_tables import DATED_BY, ModelTables, model_table
from bedrock_async_etl.formatting import format_count
from bedrock_async_etl.models.build import LOADED, DatedTables, conditions, place
from bedrock_async_etl.models.sql_files import (
    Severity,
    SqlFile,
    read_checks,
    read_models,
    restricted,
)
from bedrock_async_etl.models.state import BuildState, digest, key

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
        rows = [
            ", ".join(f"{name}={value}" for name, value in row.items()) for row in self.examples
        ]
        if more := self.violations - len(rows):
            rows.append(f"and {format_count(more, 'more row')}")
        return "\n  ".join((self.complaint, *rows))


def check_tables(
    tables: ModelTables, user_models: Path | None = None, *, is_full: bool = False
) -> list[CheckResult]:
    """Run every check, with those in the folder `user_models`; errors are in the results.

    A check that is dated looks at the dates that have changed or broke its rule, or at all.
    """
    state, dated = BuildState.read(tables), _dated(tables, user_models)
    results = []
    for check in read_checks(user_models):
        changed = None if is_full else _changed(check, state, dated)
        before = frozenset() if changed is None else state.broken.get(check.name, frozenset())
        dates = None if changed is None else before | changed
        result = _run(tables.connection, check, dated, dates)
        broken: Dates = frozenset()
        if result.violations and check.dated_by:
            days = _days(check, state, dated) if changed is None else changed
            broken = (before - days) | {
                day
                for day in days
                if _run(tables.connection, check, dated, frozenset({day})).violations
            }
        state.note_checked(check.name, None if result.error else digest(check.text), broken)
        results.append(result)
    state.write_checked(tables)
    return results


def _dated(tables: ModelTables, user_models: Path | None) -> DatedTables:
    """The existing tables whose rows have dates."""
    found = {LOADED: (DATED_BY, "DATE")}
    stored = tables.names()
    for model in read_models(user_models):
        if model.dated_by and model.name in stored:
            kind = tables.columns(model_table(model.name)).get(model.dated_by)
            if kind:
                found[ANALYTICS_NAME, model.name] = model.dated_by, kind
    return found


def _changed(check: SqlFile, state: BuildState, dated: DatedTables) -> Dates | None:
    """The dates that changed since the check looked at them; None for all."""
    definition, build = state.checked.get(check.name, (None, 0))
    if check.dated_by is None or definition != digest(check.text):
        return None
    changed = (state.changed_since(build, key(table)) for table in check.reads & dated.keys())
    return frozenset[date]().union(*changed)


def _days(check: SqlFile, state: BuildState, dated: DatedTables) -> Dates:
    """All dates of the tables that a check reads."""
    tables = check.reads & dated.keys()
    return frozenset(day for table in tables for day in state.fingerprints.get(key(table), ()))


def _run(
    connection: duckdb.DuckDBPyConnection,
    check: SqlFile,
    dated: DatedTables,
    dates: Dates | None,
) -> CheckResult:
    """The rows that break a rule, of some dates or of all."""
    result = partial(CheckResult, check.name, check.description, severity=check.severity)
    if dates is not None and not dates:
        return result()
    text = check.text if dates is None else restricted(check, conditions(dated, check, dates))
    # The text begins on the second line, so that DuckDB's line is the file's and one more.
    statement = f"from (\n{text}\n)"
    try:
        [(violations,)] = connection.execute(f"{statement} select count(*)").fetchall()
        examples = connection.sql(f"{statement} limit {EXAMPLES if violations else 0}")
        rows: list[dict[str, Any]] = examples.to_arrow_table().to_pylist()
    except duckdb.Error as error:
        return result(error=f"{check.path}{place(error)}", severity="error")
    return result(violations, rows)
