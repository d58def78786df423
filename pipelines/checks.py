"""Check what was loaded and built: SELECTs of the rows that break a rule."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from pipelines.destinations import DuckDBDestination, reading
from pipelines.errors import CommandError
from pipelines.models import place
from pipelines.sql_files import SqlFile, read_checks

EXAMPLES: Final = 3


@dataclass(frozen=True)
class CheckResult:
    """A rule, how many rows break it, and some of them."""

    name: str
    description: str
    violations: int
    examples: list[dict[str, Any]]


def run_checks(destination: DuckDBDestination, own: Path | None = None) -> list[CheckResult]:
    """Every check, and those in the folder `own`; raises `CommandError` for one that cannot run."""
    checks = read_checks(own)
    with reading(destination.database) as connection:
        return [_run(connection, check) for check in checks]


def _run(connection: duckdb.DuckDBPyConnection, check: SqlFile) -> CheckResult:
    # The text begins on the second line, so that DuckDB's line is the file's and one more.
    statement = f"from (\n{check.text}\n)"
    try:
        [(violations,)] = connection.execute(f"{statement} select count(*)").fetchall()
        examples = connection.sql(f"{statement} limit {EXAMPLES if violations else 0}")
        rows: list[dict[str, Any]] = examples.to_arrow_table().to_pylist()
    except duckdb.Error as error:
        raise CommandError(f"{check.path}{place(error)}") from error
    return CheckResult(check.name, check.description, violations, rows)
