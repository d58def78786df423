"""Bring the models up to date with what was loaded, and check both."""

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.database.model_tables import ModelTables
from bedrock_async_etl.errors import BusyError, CommandError, UsageError
from bedrock_async_etl.logs import LogFormat, log_error, log_event
from bedrock_async_etl.models.build import BuildProgress, BuiltModel, build_tables
from bedrock_async_etl.models.checks import CheckResult, check_tables


@dataclass
class Refresh:
    """The models that were rebuilt, and the results of the checks."""

    models: list[BuiltModel] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    error: str | None = None
    """Reason why the models could not be rebuilt, or a check could not be read."""
    is_busy: bool = False
    """True where the reason is that another process held the destination."""
    models_seconds: float = 0.0
    checks_seconds: float = 0.0
    is_strict: bool = False
    """True where a warning counts as an error."""

    @property
    def broken(self) -> list[CheckResult]:
        """Checks that do not hold, without the warnings."""
        return [each for each in self.checks if not each.holds and self._is_error(each)]

    @property
    def warnings(self) -> list[CheckResult]:
        return [each for each in self.checks if not each.holds and not self._is_error(each)]

    def _is_error(self, check: CheckResult) -> bool:
        return self.is_strict or check.severity == "error"

    @property
    def exit_code(self) -> int:
        """0 when the models are fresh and all checks hold but for warnings, 75 if busy, else 1."""
        if self.is_busy:
            return BusyError.exit_code
        return 1 if self.error or self.broken else 0

    def as_json(self) -> dict[str, Any]:
        """The members of `run --json` and `models --json`."""
        return {
            "models": [
                asdict(model) | {"seconds": round(model.seconds, 3)} for model in self.models
            ],
            "checks": [asdict(check) for check in self.checks],
            "models_error": self.error,
        }

    def log(self, log_format: LogFormat = "text") -> None:
        """Log the error and the rules that are broken; as JSON, those that hold, too."""
        if self.error:
            log_error(self.error)
        for check in self.checks:
            if not check.holds or log_format == "json":
                level = logging.ERROR if self._is_error(check) else logging.WARNING
                _log_check(check, log_format, logging.INFO if check.holds else level)


def _log_check(check: CheckResult, log_format: LogFormat, level: int) -> None:
    """Log a check. JSON has no rows that break the rule, since a user's rule may show messages."""
    complaint = check.complaint_with_examples if log_format == "text" else check.complaint
    log_event(
        "check",
        "" if check.holds else complaint,
        level,
        name=check.name,
        severity=check.severity,
        holds=check.holds,
        violations=check.violations,
    )


def open_tables(
    engine: str, destination: Destination, master: str | None = None, remote: str | None = None
) -> AbstractContextManager[ModelTables]:
    """The tables of the models, to be built by DuckDB or by Spark.

    Raises `UsageError` for options that do not go together.
    """
    if engine == "duckdb":
        if master or remote:
            raise UsageError("--master and --remote go with --engine spark.")
        return destination.existing().model_build()
    from bedrock_async_etl.destinations.lake import LakeDestination
    from bedrock_async_etl.models.lake_spark import spark_model_build

    if not isinstance(destination, LakeDestination):
        raise UsageError("--engine spark builds the models of a lake: give --lake.")
    return spark_model_build(destination.existing(), master, remote)


def refresh(
    destination: Destination,
    user_models: Path | None = None,
    on_built: BuildProgress | None = None,
    opened: AbstractContextManager[ModelTables] | None = None,
    *,
    strict: bool = False,
    is_full: bool = False,
    builds: bool = True,
    checks: bool = True,
) -> Refresh:
    """Bring the models up to date and check them, with those in the folder `user_models`.

    Both look at the dates that changed, or at all; each can be left out. An error is in the result.
    """
    result = Refresh(is_strict=strict)
    with (
        _errors_kept(result, destination),
        destination.existing().locked(),
        opened or destination.model_build() as tables,
    ):
        started = time.monotonic()
        if builds:
            result.models = build_tables(tables, user_models, on_built, is_full=is_full)
            result.models_seconds = time.monotonic() - started
        started = time.monotonic()
        if checks:
            result.checks = check_tables(tables, user_models, is_full=is_full)
            result.checks_seconds = time.monotonic() - started
    return result


@contextmanager
def _errors_kept(result: Refresh, destination: Destination) -> Iterator[None]:
    """Put an error into the result instead of raising it."""
    try:
        yield
    except CommandError as error:
        result.error = str(error)
        result.is_busy = isinstance(error, BusyError)
    except (duckdb.Error, OSError) as error:
        result.error = destination.explain(error)
