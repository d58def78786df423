"""Checks of the tables and models: SELECTs of the rows that break a rule."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.models.build import place
from bedrock_async_etl.models.sql_files import Severity, SqlFile, read_checks

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


def run_checks(destination: Destination, user_models: Path | None = None) -> list[CheckResult]:
    """Run every check, with those in the folder `user_models`; errors are in the results."""
    checks = read_checks(user_models)
    with destination.connection() as connection:
        return [_run(connection, check) for check in checks]


def _run(connection: duckdb.DuckDBPyConnection, check: SqlFile) -> CheckResult:
    # The text begins on the second line, so that DuckDB's line is the file's and one more.
    statement = f"from (\n{check.text}\n)"
    try:
        [(violations,)] = connection.execute(f"{statement} select count(*)").fetchall()
        examples = connection.sql(f"{statement} limit {EXAMPLES if violations else 0}")
        rows: list[dict[str, Any]] = examples.to_arrow_table().to_pylist()
    except duckdb.Error as error:
        return CheckResult(check.name, check.description, error=f"{check.path}{place(error)}")
    return CheckResult(check.name, check.description, violations, rows, severity=check.severity)
