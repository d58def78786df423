"""Sessions of Spark, and its errors."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bedrock_async_etl.destinations.database.model_tables import EngineError
from bedrock_async_etl.errors import CommandError, UsageError, require
from bedrock_async_etl.models.spark_sql import view_name
from bedrock_async_etl.models.state import TableName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SETTINGS: Final = {
    # `at time zone 'UTC'` becomes from_utc_timestamp, which does the same in this zone alone.
    "spark.sql.session.timeZone": "UTC",
    # As in DuckDB, a sum that is too large and a text that is no number are errors.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    # By default, Spark writes times as INT96, which have no zone.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
LOGGING: Final = Path(__file__).with_name("spark_log4j2.properties")
QUIET: Final = {
    "spark.driver.defaultJavaOptions": f"-Dlog4j2.configurationFile={LOGGING.as_uri()}",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
NO_JAVA: Final = "Spark needs Java 17 or newer: install it, or name its folder in JAVA_HOME."
REACHED_WITHIN_SECONDS: Final = 10
"""Spark's own default is ten minutes."""

CALL: Final = re.compile(r"An error occurred while calling .*\n: ")
PLACE: Final = re.compile(r"\s*(SQLSTATE: \w+)?(; line \d+ pos \d+)?[.;]?$")
"""A place in sqlglot's SELECT, which nobody sees."""


def spark_session(master: str | None = None, remote: str | None = None) -> "SparkSession":
    """A session on a cluster, on a Spark Connect server, or else on this machine.

    `master` is that of `spark-submit --master`, `remote` is `sc://HOST:PORT`. Raises
    `CommandError` where pyspark or Java is missing, or the server does not answer.
    """
    if master and remote:
        raise UsageError("--master and --remote are two ways to reach Spark: give one of them.")
    require("pyspark", "spark", "--engine spark")
    return _connected(remote) if remote else _started(master or "local[*]")


def _connected(remote: str) -> "SparkSession":
    require("grpc", "spark", "--remote")
    import grpc
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client import DefaultChannelBuilder

    try:
        channel = DefaultChannelBuilder(remote).toChannel()
        grpc.channel_ready_future(channel).result(timeout=REACHED_WITHIN_SECONDS)
        channel.close()
        return SparkSession.builder.config(map={**SETTINGS}).remote(remote).getOrCreate()
    except grpc.FutureTimeoutError:
        raise CommandError(f"No Spark Connect server answers at {remote}: is it there?") from None
    except PySparkException as error:
        raise CommandError(f"Cannot use Spark at {remote}: {_reason(error)}.") from error


def _started(master: str) -> "SparkSession":
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("bedrock-async-etl").master(master)
    try:
        return builder.config(map={**SETTINGS, **QUIET}).getOrCreate()
    except (PySparkException, Py4JError) as error:
        if "JAVA_GATEWAY_EXITED" in str(error):
            raise CommandError(NO_JAVA) from error
        raise CommandError(f"Cannot start Spark on {master}: {_reason(error)}.") from error


def register(tables: Mapping[TableName, "DataFrame"]) -> None:
    """Register tables with Spark by the names that `to_spark` gives them."""
    for name, rows in tables.items():
        rows.createOrReplaceTempView(view_name(name))


@contextmanager
def spark_errors() -> Iterator[None]:
    """Turn Spark's errors into an `EngineError`."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise EngineError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Spark's message without plans and stack traces."""
    line, *_ = CALL.sub("", str(error)).splitlines()
    return PLACE.sub("", line).rstrip(".")
