"""Models and checks of a destination, as `models` builds and runs them, or a few of the models."""

from pathlib import Path

from bedrock_async_etl.destinations import ANALYTICS_NAME, Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.models.build import (
    BuildProgress,
    BuiltModel,
    ModelBuild,
    build_tables,
    in_order,
    stored_tables,
)
from bedrock_async_etl.models.checks import CheckResult, check_tables
from bedrock_async_etl.models.sql_files import SqlFile, read_models


def build_models(
    destination: Destination,
    user_models: Path | None = None,
    progress: BuildProgress | None = None,
    *,
    is_full: bool = False,
) -> list[BuiltModel]:
    """Bring every model up to date, with those in the folder `user_models`, and publish them."""
    with destination.existing().locked(), destination.model_build() as tables:
        return build_tables(tables, user_models, progress, is_full=is_full)


def run_checks(
    destination: Destination, user_models: Path | None = None, *, is_full: bool = False
) -> list[CheckResult]:
    """Run every check, with those in the folder `user_models`."""
    with destination.existing().locked(), destination.model_build() as tables:
        return check_tables(tables, user_models, is_full=is_full)


def build_only(destination: DuckDBDestination, *names: str) -> None:
    """Build these shipped models, and those that they read, into a database without models."""
    with destination.existing().locked(), destination.model_build() as tables:
        build = ModelBuild(tables)
        ordered = in_order(_with_inputs(names), stored_tables(tables.connection))
        for model in ordered:
            build.build(model)
        build.finish(ordered)


def _with_inputs(names: tuple[str, ...]) -> list[SqlFile]:
    models = {model.name: model for model in read_models()}
    needed: dict[str, SqlFile] = {}
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in needed:
            needed[name] = models[name]
            ahead += [each for schema, each in models[name].reads if schema == ANALYTICS_NAME]
    return list(needed.values())
