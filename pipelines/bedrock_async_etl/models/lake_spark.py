"""Build a lake's models on Spark, from the lake's Parquet files and into them."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake_build import publish_models
from bedrock_async_etl.destinations.lake_tables import LOG_NAME, TableFormat, delta_table, log_paths
from bedrock_async_etl.destinations.schema import SCHEMAS
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.publication import publication
from bedrock_async_etl.models.build import BuiltModel, OnBuilt
from bedrock_async_etl.models.spark import build_on_spark, current_rows, spark_session
from bedrock_async_etl.models.spark_sql import TableName
from bedrock_async_etl.models.sql_files import read_models

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

WRITTEN: Final = f"{ANALYTICS_NAME}/_spark"
"""Where Spark writes to; other readers take what begins with a line for no data."""


def build_models_on_spark(
    lake: LakeDestination,
    own: Path | None = None,
    on_built: OnBuilt | None = None,
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
            tables = current_rows(spark, _logs(spark, files, lake.stored_format))
            built = build_on_spark(spark, tables, models, save, on_built)
            _publish(files, folder, [model.name for model in built])
        finally:
            files.remove_folder(WRITTEN)
    return built


def spark_url(files: LakeFiles, name: str) -> str:
    """What Spark calls a file: its S3 has a scheme of its own."""
    return f"{files.url}/{name}".replace("s3://", "s3a://", 1)


def _logs(
    spark: "SparkSession", files: LakeFiles, table_format: TableFormat | None
) -> dict[TableName, "DataFrame"]:
    logs = {(LOG_NAME, name): _log(spark, files, name) for name in SCHEMAS}
    if table_format == "delta" and (table := delta_table(files)):
        root = spark_url(files, f"{DATASET_NAME}/async_invokes")
        urls = [url.replace("s3://", "s3a://", 1) for url in table.file_uris()]
        rows = spark.read.option("basePath", root).parquet(*urls)
        logs[LOG_NAME, "async_invokes"] = rows
    return logs


def _log(spark: "SparkSession", files: LakeFiles, name: str) -> "DataFrame":
    """A change log; without rows where the lake has none yet."""
    from pyspark.sql.pandas.types import from_arrow_schema

    schema = from_arrow_schema(SCHEMAS[name])
    root = spark_url(files, f"{DATASET_NAME}/{name}")
    urls = [f"{root}/{path.rpartition('/')[2]}" for path in log_paths(files, name)]
    return spark.read.schema(schema).parquet(*urls) if urls else spark.createDataFrame([], schema)


def _publish(files: LakeFiles, folder: str, names: Sequence[str]) -> None:
    with publication(files.filesystem, files.path(ANALYTICS_NAME)) as staging:
        for name in names:
            for number, path in enumerate(files.glob(f"{folder}/{name}/*.parquet")):
                staging.stage_there(path, f"{name}/part-{number}.parquet")
        publish_models(files, staging)
