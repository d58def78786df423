"""Build a lake's models on Spark, from the lake's Parquet files and into them."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bedrock_async_etl.destinations import ANALYTICS_NAME
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake.tables import (
    LOG_NAME,
    data_files,
    folder_of,
    publish_models,
)
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.publication import publication
from bedrock_async_etl.models.build import BuildProgress, BuiltModel
from bedrock_async_etl.models.spark import build_on_spark, current_rows, spark_session
from bedrock_async_etl.models.sql_files import read_models
from bedrock_async_invokes.columns import TABLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

WRITTEN: Final = f"{ANALYTICS_NAME}/_spark"
"""Spark's folder; readers take names that begin with an underscore for no data."""


def build_models_on_spark(
    lake: LakeDestination,
    own: Path | None = None,
    on_built: BuildProgress | None = None,
    *,
    master: str | None = None,
    remote: str | None = None,
) -> list[BuiltModel]:
    """Rebuild every model, and those in the folder `own`, and publish them.

    Raises `CommandError`, and leaves the models as they were, where one cannot be built.
    """
    models = read_models(own)
    files = lake.existing().files
    spark = spark_session(master, remote)
    folder = f"{WRITTEN}/{uuid.uuid4().hex}"

    def save(name: str, rows: "DataFrame") -> "DataFrame":
        url = spark_url(files, f"{folder}/{name}")
        rows.write.parquet(url)
        return spark.read.parquet(url)

    with lake.locked():
        try:
            logs = {(LOG_NAME, name): _log(spark, lake, name) for name in TABLES}
            built = build_on_spark(spark, current_rows(spark, logs), models, save, on_built)
            _publish(files, folder, [model.name for model in built])
        finally:
            files.remove_folder(WRITTEN)
    return built


def spark_url(files: LakeFiles, name: str) -> str:
    """The URL of a file for Spark, whose S3 has a scheme of its own."""
    return f"{files.url}/{name}".replace("s3://", "s3a://", 1)


def _log(spark: "SparkSession", lake: LakeDestination, name: str) -> "DataFrame":
    """A table as the lake has it; without rows where it has none yet."""
    from pyspark.sql.pandas.types import from_arrow_schema

    files, schema = lake.files, from_arrow_schema(TABLES[name].stored_schema)
    paths = data_files(files, name, lake.stored_format)
    urls = [spark_url(files, path.removeprefix(f"{files.root}/")) for path in paths]
    reader = spark.read.schema(schema).option("basePath", spark_url(files, folder_of(name)))
    return reader.parquet(*urls) if urls else spark.createDataFrame([], schema)


def _publish(files: LakeFiles, folder: str, names: Sequence[str]) -> None:
    with publication(files.filesystem, files.path(ANALYTICS_NAME)) as staging:
        for name in names:
            for number, path in enumerate(files.glob(f"{folder}/{name}/*.parquet")):
                staging.stage(path, f"{name}/part-{number}.parquet")
        publish_models(files, staging)
