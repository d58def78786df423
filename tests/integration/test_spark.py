"""Spark makes of the models' files what DuckDB makes of them, on many rows and edge cases."""

import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path

import grpc
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyspark
import pytest
from pyspark.sql import SparkSession

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake.tables import current_rows
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.models.build import BuiltModel, build_tables
from bedrock_async_etl.models.refresh import open_tables
from bedrock_async_etl.models.spark import register, spark_session
from bedrock_async_etl.models.spark_sql import to_spark
from bedrock_async_etl.models.sql_files import read_models
from bedrock_async_invokes.columns import TABLES
from tests.builds import build_models
from tests.conftest import NOW
from tests.integration.budgets import SOAK
from tests.integration.places import Place
from tests.integration.test_export import duckdb_reads, exported, make
from tests.lakes import lake_of
from tests.model_histories import History
from tests.sql.change_logs import CURRENT, LOGS, in_order
from tests.sql.given import SCENARIOS, make_database, make_tables, store
from tests.timelines import timeline

pytestmark = pytest.mark.integration

MODELS = [*(model.name for model in read_models()), "own"]
ROWS = 200_000 if SOAK else 20_000
LOADED = ("async_invokes", "extract_runs", "vanished_invokes")
DIVIDED = {
    "baseline_rate",
    "excess_failed",
    "failure_rate",
    "failure_rate_before",
    "failure_rate_high",
    "failure_rate_low",
    "in_flight_avg",
    "latency_avg",
    "p_value",
    "q_value",
    "rate",
    "share",
}
"""Columns that are equal to 1e-9; all others, percentiles and latencies too, to the last digit."""


@pytest.fixture(scope="module", autouse=True)
def _java_that_starts_fast() -> Iterator[None]:
    """Java's second compiler takes longer than what it saves where there are so few rows.

    The first alone gets 48 MB for all compiled code by default, which the models fill. By
    default, Spark makes 200 partitions of any rows.
    """
    options = (
        "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC "
        "-Dspark.sql.shuffle.partitions=2"
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JAVA_TOOL_OPTIONS", options)
        yield


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    session = spark_session("local[2]")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def database(own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The timeline and every scenario of `given.csv`, each in regions of its own."""
    tables = timeline(ROWS, timedelta(days=30), NOW)
    tables[0]["async_invokes"] = without_first_end(tables[0]["async_invokes"])
    tables += [elsewhere(make_tables(name), f"-{at}") for at, name in enumerate(SCENARIOS)]
    merged = {name: pa.concat_tables([each[name] for each in tables]) for name in LOADED}
    database = store(tmp_path_factory.mktemp("timeline") / "timeline.duckdb", **merged)
    build_models(DuckDBDestination(database), own)
    return database


def without_first_end(invocations: pa.Table) -> pa.Table:
    """The same rows, but the first of the last 30 days has no end, and so no latency."""
    is_first = pc.equal(invocations["submit_time"], pc.min(invocations["submit_time"]))
    ends = pc.if_else(
        is_first, pa.scalar(None, invocations["end_time"].type), invocations["end_time"]
    )
    place = invocations.schema.get_field_index("end_time")
    return invocations.set_column(place, invocations.schema.field(place), ends)


def elsewhere(tables: dict[str, pa.Table], suffix: str) -> dict[str, pa.Table]:
    """The same rows, but of other invocations in other regions."""
    return {
        name: pa.table(
            {
                column: pc.binary_join_element_wise(values, suffix, "")
                if column in ("invocation_arn", "region")
                else values
                for column, values in zip(table.column_names, table.columns, strict=True)
            },
            table.schema,
        )
        for name, table in tables.items()
    }


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one's own."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "own.sql").write_text(
        "select outcome, cast(sum(calls) as bigint) as calls, count(*), 7 // 2 as whole, "
        "max(started_at) as last from bedrock.extract_runs group by outcome"
    )
    return folder


@pytest.fixture(scope="module")
def built(
    request: pytest.FixtureRequest,
    database: Path,
    own: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[LakeDestination, list[BuiltModel]]:
    """A lake, and what was said of its models."""
    table_format, engine = request.param
    lake = lake_of(database, tmp_path_factory.mktemp("lake") / engine, table_format)
    return lake, build(lake, own, engine=engine)


def build(
    lake: LakeDestination, own: Path | None = None, *, engine: str = "spark"
) -> list[BuiltModel]:
    master = "local[2]" if engine == "spark" else None
    with lake.locked(), open_tables(engine, lake, master) as tables:
        return build_tables(tables, own)


def of_duckdb(database: Path, name: str) -> pa.Table:
    with DuckDBDestination(database).connection() as connection:
        return connection.sql(f"from bedrock_analytics.{name}").to_arrow_table()


def of_lake(lake: LakeDestination, name: str) -> pa.Table:
    with lake.connection() as connection:
        return connection.sql(f"from bedrock_analytics.{name}").to_arrow_table()


def typed(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in schema]


def assert_same(found: pa.Table, expected: pa.Table) -> None:
    """The same columns and rows, whatever the order of the rows."""
    assert typed(found.schema) == typed(expected.schema)
    exact = [name for name in expected.column_names if name not in DIVIDED]
    sortable = [name for name in exact if not pa.types.is_list(expected.schema.field(name).type)]
    found, expected = (
        rows.sort_by([(name, "ascending") for name in sortable]) for rows in (found, expected)
    )
    for name in expected.column_names:
        one, other = found[name].combine_chunks(), expected[name].combine_chunks()
        if name in DIVIDED:
            assert one.is_valid().equals(other.is_valid()), name
            error = pc.abs(pc.subtract(one, other))
            allowed = pc.add(pc.multiply(pc.abs(other), 1e-9), 1e-15)
            assert pc.all(pc.less_equal(error, allowed), min_count=0).as_py(), name
        else:
            assert one.equals(other), name


@pytest.mark.parametrize(
    "built",
    [
        pytest.param(built, marks=() if built == ("parquet", "spark") else pytest.mark.soak)
        for built in product(("parquet", "delta", "iceberg"), ("duckdb", "spark"))
    ],
    ids=" by ".join,
    indirect=True,
)
@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_the_same_in_a_lake(
    name: str, database: Path, built: tuple[LakeDestination, list[BuiltModel]]
) -> None:
    lake, models = built
    expected = of_duckdb(database, name)
    assert_same(of_lake(lake, name), expected)
    assert [model.rows for model in models if model.name == name] == [len(expected)]


@pytest.mark.soak
def test_dates_that_spark_builds_are_those_built_whole(tmp_path: Path) -> None:
    history = History("parquet", tmp_path, seed=3)
    lake = LakeDestination(str(history.place))
    for _ in range(2):
        history.step()
        history.submit()
        models = build(lake, history.own_models)
    assert {model.name: model.dates for model in models}["invocations"]
    found = {model.name: of_lake(lake, model.name) for model in models}
    build_models(lake, history.own_models, is_full=True)
    for name, rows in found.items():
        assert_same(rows, of_lake(lake, name))


def test_the_edge_cases_are_among_the_rows(database: Path) -> None:
    invocations = of_duckdb(database, "invocations")
    assert len(invocations) > ROWS
    assert pc.any(invocations["is_vanished"]).as_py()
    assert pc.any(pc.equal(invocations["status"], "Cancelled")).as_py()
    assert invocations["account_id"].null_count > 0
    assert len(of_duckdb(database, "failure_spikes")) > 0
    assert of_duckdb(database, "window_edges")["latencies_ms"].null_count > 0


def test_the_current_rows_of_a_change_log_are_the_same(spark: SparkSession, tmp_path: Path) -> None:
    for name, log in LOGS.items():
        pq.write_table(log, tmp_path / f"{name}.parquet")
        register({("bedrock_log", name): spark.read.parquet(str(tmp_path / f"{name}.parquet"))})
        rows = spark.sql(to_spark(current_rows(TABLES[name])))
        rows.write.parquet(str(tmp_path / name))
        assert in_order(name, pq.read_table(tmp_path / name)) == CURRENT[name].to_pylist()


def test_spark_reads_an_export_as_duckdb_does(spark: SparkSession, tmp_path: Path) -> None:
    export = Place(str(tmp_path / "export"))
    exported(make(tmp_path / "large.duckdb", 200_000), export)
    folder = f"{export.url}/async_invokes"
    assert spark_reads(spark, folder) == duckdb_reads(folder)


def spark_reads(spark: SparkSession, folder: str) -> tuple[int, ...]:
    frame = spark.read.parquet(folder)
    assert dict(frame.dtypes)["submit_date"] == "date"
    [row] = frame.selectExpr(
        "count(*)",
        "count(submit_time)",
        "sum(unix_micros(end_time) - unix_micros(submit_time))",
        "count(distinct submit_date)",
        "min(unix_micros(submit_time))",
    ).collect()
    return tuple(row)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select list_cosine_similarity([1.0], [1.0]) as a", r"\[UNRESOLVED_ROUTINE\] [^\n]+"),
        (
            "select cast(run_id as integer) as a from bedrock.extract_runs",
            r"\[CAST_INVALID_INPUT\] [^\n]+",
        ),
    ],
)
def test_a_model_that_fails_is_named_with_sparks_reason(
    sql: str, told: str, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "own.sql").write_text(sql)
    lake = lake_of(make_database(tmp_path / "given.duckdb", "one row"), tmp_path / "l", "parquet")
    with pytest.raises(CommandError, match=rf"^\S+own\.sql: {told}\. The models are as"):
        build(lake, own)
    assert not list((tmp_path / "l" / "bedrock_analytics").rglob("*.parquet"))


def test_without_java_it_is_named() -> None:
    code = "from bedrock_async_etl.models.spark import spark_session; spark_session()"
    environment = os.environ | {"JAVA_HOME": os.devnull}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr.endswith(
        "Spark needs Java 17 or newer: install it, or name its folder in JAVA_HOME.\n"
    )


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(CommandError, match=r"answers at sc://localhost:1: is it there\?$"):
        spark_session(remote="sc://localhost:1")


def test_an_address_that_is_none_is_told() -> None:
    with pytest.raises(CommandError, match=r"Cannot use Spark at localhost: \[INVALID_CONNECT_URL"):
        spark_session(remote="localhost")


@pytest.fixture
def server() -> Iterator[str]:
    """A Spark Connect server of one's own."""
    with socket.create_server(("localhost", 0)) as free:
        address = f"localhost:{free.getsockname()[1]}"
    home = Path(pyspark.__file__).parent
    command = [
        str(home / "bin/spark-submit"),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
        *("--conf", f"spark.connect.grpc.binding.port={address.rpartition(':')[2]}"),
        *("--conf", "spark.ui.enabled=false"),
        "spark-internal",
    ]
    process = subprocess.Popen(
        command, env=os.environ | {"SPARK_HOME": str(home)}, stderr=subprocess.DEVNULL
    )
    try:
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(timeout=120)
        yield f"sc://{address}"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.soak
def test_a_spark_connect_server_builds_the_same(server: str, tmp_path: Path) -> None:
    database = make_database(tmp_path / "given.duckdb", "some are still open")
    build_models(DuckDBDestination(database))
    lake = lake_of(database, tmp_path / "lake", "parquet")
    # pyspark has sessions of one kind in a process.
    client = multiprocessing.get_context("spawn").Process(
        target=build_remotely, args=(server, lake)
    )
    client.start()
    client.join()
    assert client.exitcode == 0
    for name in ("scopes", "invocations", "open_invocations"):
        assert_same(of_lake(lake, name), of_duckdb(database, name))


def build_remotely(server: str, lake: LakeDestination) -> None:
    with lake.locked(), open_tables("spark", lake, remote=server) as tables:
        build_tables(tables)
