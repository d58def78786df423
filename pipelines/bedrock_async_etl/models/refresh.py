"""Bring the models up to date with what was loaded, and check both."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import duckdb

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.models.build import BuiltModel, OnBuilt, build_models
from bedrock_async_etl.models.checks import CheckResult, run_checks


class Build(Protocol):
    """Builds the models of a destination, as `build_models` does."""

    def __call__(
        self, destination: Any, own: Path | None = None, on_built: OnBuilt | None = None, /
    ) -> list[BuiltModel]: ...


@dataclass
class Refresh:
    """The models that were rebuilt, and what the checks found."""

    models: list[BuiltModel] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    error: str | None = None
    """Why the models could not be rebuilt, or which file of a check cannot be read."""
    models_seconds: float = 0.0
    checks_seconds: float = 0.0

    @property
    def broken(self) -> list[CheckResult]:
        return [check for check in self.checks if not check.holds]

    @property
    def exit_code(self) -> int:
        """0 when the models are fresh and all checks hold, else 1."""
        return 1 if self.error or self.broken else 0

    def as_json(self) -> dict[str, Any]:
        """What `run --json` and `models --json` print of it."""
        return {
            "models": [
                asdict(model) | {"seconds": round(model.seconds, 3)} for model in self.models
            ],
            "checks": [asdict(check) for check in self.checks],
            "models_error": self.error,
        }


def find_builder(
    engine: str, destination: Destination, master: str | None = None, remote: str | None = None
) -> Build:
    """What builds the models by DuckDB or by Spark; raises `UsageError` for what does not fit."""
    if engine == "duckdb":
        if master or remote:
            raise UsageError("--master and --remote go with --engine spark.")
        return build_models
    if engine not in destination.engines:
        raise UsageError("--engine spark builds the models of a lake: give --lake.")
    from bedrock_async_etl.models.lake_spark import build_models_on_spark

    return partial(build_models_on_spark, master=master, remote=remote)


def refresh(
    destination: Destination,
    own: Path | None = None,
    on_built: OnBuilt | None = None,
    build: Build = build_models,
) -> Refresh:
    """Rebuild the models by `build` and check them, with those in the folder `own`.

    What cannot be built or checked is told by the result.
    """
    with destination.locked():
        models = rebuilt(destination, own, on_built, build)
        if models.error:
            return models
        checks = checked(destination, own)
    return replace(checks, models=models.models, models_seconds=models.models_seconds)


def rebuilt(
    destination: Destination,
    own: Path | None = None,
    on_built: OnBuilt | None = None,
    build: Build = build_models,
) -> Refresh:
    """The first half of `refresh`: the models alone."""
    started, result = time.monotonic(), Refresh()
    with destination.locked(), _told_by(result, destination):
        result.models = build(destination, own, on_built)
        result.models_seconds = time.monotonic() - started
    return result


def checked(destination: Destination, own: Path | None = None) -> Refresh:
    """The second half of `refresh`: the checks alone."""
    started, result = time.monotonic(), Refresh()
    with destination.locked(), _told_by(result, destination):
        result.checks = run_checks(destination, own)
        result.checks_seconds = time.monotonic() - started
    return result


@contextmanager
def _told_by(result: Refresh, destination: Destination) -> Iterator[None]:
    """What cannot be done is told by the result."""
    try:
        yield
    except CommandError as error:
        result.error = str(error)
    except (duckdb.Error, OSError) as error:
        result.error = destination.explain(error)
