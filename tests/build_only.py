"""A few of the models, for tests that look at no others."""

from bedrock_async_etl.destinations import ANALYTICS_NAME
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.models.build import ModelBuild, in_order, stored_tables
from bedrock_async_etl.models.sql_files import SqlFile, read_models


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
