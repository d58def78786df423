"""The models of a lake, built by Spark from the lake's Parquet files."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME
from bedrock_async_etl.destinations.database.dates import Dates
from bedrock_async_etl.destinations.database.model_tables import EngineError
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake.model_tables import LakeModelTables
from bedrock_async_etl.destinations.lake.tables import (
    LOG_NAME,
    folder_of,
    select_rows,
)
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_etl.files.parquet import INTEGERS, folder_name
from bedrock_async_etl.models.spark import register, spark_errors, spark_session
from bedrock_async_etl.models.spark_sql import spark_type, to_spark
from bedrock_async_invokes.columns import TABLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from bedrock_async_etl.destinations.lake.formats import LakeFormat

WRITTEN: Final = f"{ANALYTICS_NAME}/_spark"
"""Spark's folder; readers ignore names that begin with an underscore."""


@contextmanager
def spark_model_build(
    lake: LakeDestination, master: str | None = None, remote: str | None = None
) -> Iterator["SparkModelTables"]:
    """The tables of a lake's models, which Spark builds; raises `CommandError`, `UsageError`.

    Readers see the models, all at once, when it ends without an error.
    """
    if lake.stored_format.catalog_type == "rest":
        raise UsageError(
            f"The files of {lake.location} are where its catalog has them, for which Spark has no "
            "keys: use --engine duckdb."
        )
    spark = spark_session(master, remote)
    try:
        with lake.model_build(SparkModelTables) as tables:
            assert isinstance(tables, SparkModelTables)
            tables.start(spark, lake)
            yield tables
    except EngineError as error:
        raise CommandError(f"Spark cannot read {lake.location}: {error}.") from error
    finally:
        lake.files.remove_folder(WRITTEN)


class SparkModelTables(LakeModelTables):
    """The models of a lake while Spark builds them; DuckDB looks at what it has written."""

    portion_rows = None

    def start(self, spark: "SparkSession", lake: LakeDestination) -> None:
        """Register the tables of the lake and the existing models with Spark."""
        self._spark, self._folder = spark, f"{WRITTEN}/{uuid.uuid4().hex}"
        stored = lake.stored_format
        with spark_errors():
            register({(LOG_NAME, name): _log(spark, stored, name) for name in TABLES})
            for name in TABLES:
                rows = select_rows(stored, name, is_by_date=True)
                register({(DATASET_NAME, name): spark.sql(to_spark(rows))})
            for name, files in self.stored.items():
                urls = [spark_url(self.files, self.model_files.path(file)) for file in files]
                register({(ANALYTICS_NAME, name): spark.read.parquet(*urls)})

    def create(self, name: str, selects: Sequence[str]) -> None:
        [select] = selects  # There are no portions.
        rows = self._write(folder_name(name), select)
        register({(ANALYTICS_NAME, name): rows})
        self.add_whole(name, self._written(name))

    def stage(self, name: str, selects: Sequence[str], versioned_by: Sequence[str]) -> str:
        [select] = selects
        self._write(name, select).createOrReplaceTempView("staged")
        return self._written(name)

    def replace(self, name: str, rows: str, dates: Dates, condition: str) -> None:
        others = f"{ANALYTICS_NAME}.{name} where not coalesce({condition}, false)"
        with spark_errors():
            kept, new = (
                self._spark.sql(to_spark(f"select * from {each}"))  # noqa: S608
                for each in (others, f"staged where {condition}")
            )
            register({(ANALYTICS_NAME, name): kept.unionByName(new)})
        super().replace(name, rows, dates, condition)

    def _write(self, name: str, select: str) -> "DataFrame":
        """The rows of a SELECT once they are in files, with the columns that DuckDB would write."""
        columns = self.columns(f"(\n{select}\n)")
        url = spark_url(self.files, self.files.path(f"{self._folder}/{name}"))
        with spark_errors():
            rows = self._spark.sql(to_spark(select)).toDF(*columns)
            typed = [
                rows[f"`{each}`"].cast(spark_type(INTEGERS.get(kind, kind)))
                for each, kind in columns.items()
            ]
            rows.select(typed).write.parquet(url)
            return self._spark.read.parquet(url)

    def _written(self, name: str) -> str:
        """Rows that Spark has written of a model, as a table of DuckDB."""
        return self.register(name, self.files.glob(f"{self._folder}/{name}/*.parquet"))


def spark_url(files: LakeFiles, path: str) -> str:
    """The URL of a file for Spark, whose S3 has a scheme of its own."""
    inside = path.removeprefix(f"{files.root}/")
    url = f"s3://{path}" if inside == path else f"{files.url}/{inside}"
    return url.replace("s3://", "s3a://", 1)


def _log(spark: "SparkSession", stored: "LakeFormat", name: str) -> "DataFrame":
    """A table as the lake has it; without rows where it has none yet."""
    from pyspark.sql.pandas.types import from_arrow_schema

    files, schema = stored.files, from_arrow_schema(TABLES[name].stored_schema)
    paths = stored.data_files(name)
    urls = [spark_url(files, path) for path in paths]
    reader = spark.read.schema(schema)
    if stored.partitioned_by:
        reader = reader.option("basePath", spark_url(files, files.path(folder_of(name))))
    return reader.parquet(*urls) if urls else spark.createDataFrame([], schema)
