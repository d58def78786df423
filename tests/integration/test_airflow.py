"""The DAG in a real Airflow: its command line, and scheduler and API as `airflow standalone`."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.models.sql_files import read_models
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy, model_names, query, stored_rows
from tests.integration.airflow_server import DAG_ID, AirflowHome, AirflowServer, served, wait_for

pytestmark = pytest.mark.integration

CONNECTION = "aws_bedrock"
MODELS, EXPORT = "bedrock-async-etl://bedrock/models", "bedrock-async-etl://bedrock/export"
OTHER_REGION = "eu-west-1"
READ_ONLY = """
import sys, time
touched = []
asked = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "sqlite3.connect", "open")
sys.addaudithook(
    lambda event, given: touched.append((event, str(given[:1])))
    if event in asked and (event != "open" or "airflow.db" in str(given[0])) else None
)
import airflow.sdk
from airflow.sdk import DAG, Asset, Param, TriggerRule, task
# For the first asset of a process, Airflow itself loads what its providers have for assets.
Asset("any://other")
loaded = set(sys.modules)
started = time.monotonic()
import as_it_is
seconds = time.monotonic() - started
heavy = {"boto3", "botocore", "dlt", "duckdb", "pyarrow", "requests", "typer"}
print(repr((as_it_is.dag.dag_id, seconds, touched, sorted(heavy & (sys.modules.keys() - loaded)))))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    return AirflowHome.made(tmp_path_factory.mktemp("airflow") / "home")


@pytest.fixture(scope="module")
def server(home: AirflowHome) -> Iterator[AirflowServer]:
    with served(home) as server:
        yield server


@pytest.fixture
def filled(bedrock: Control) -> Control:
    start, end = NOW - timedelta(days=5), NOW + timedelta(days=5)
    for seed, region in enumerate((REGION, OTHER_REGION)):
        bedrock.populate(ACCOUNT, region, 6_000, start, end, seed)
    return bedrock


def connection() -> dict[str, Any]:
    """What leads to the local Bedrock that this process's environment leads to."""
    endpoints = {
        "bedrock-runtime": {"endpoint_url": os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]},
        "sts": {"endpoint_url": os.environ["AWS_ENDPOINT_URL_STS"]},
    }
    return {
        "conn_type": "aws",
        "login": os.environ["AWS_ACCESS_KEY_ID"],
        "password": os.environ["AWS_SECRET_ACCESS_KEY"],
        "extra": json.dumps({"region_name": REGION, "service_config": endpoints}),
    }


def use(server: AirflowServer, **settings: Any) -> None:
    """Let the next run have these settings."""
    server.put("connections", CONNECTION, {"connection_id": CONNECTION, **connection()})
    settings = {"regions": [REGION, OTHER_REGION], "aws_conn_id": CONNECTION, **settings}
    server.set_variable("bedrock_async_etl", settings)


def rows_of(export: Path) -> int:
    """How many invocations an export has."""
    files = f"read_parquet('{export}/async_invokes/*/*.parquet')"
    with duckdb.connect() as connection:
        [(rows,)] = connection.sql(f"select count(*) from {files}").fetchall()
    return int(rows)


def test_reading_the_file_takes_no_second_and_asks_nobody(home: AirflowHome) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY],
        cwd=home.path / "dags",
        env=home.environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    dag_id, seconds, touched, heavy = eval(done.stdout)
    assert (dag_id, touched, heavy) == ("bedrock_async_etl", [], [])
    assert seconds < 1


def test_airflow_reads_each_file_in_less_than_a_second(home: AirflowHome) -> None:
    report = home.run("dags", "report", "--output", "json")
    files = {each["file"]: each for each in json.loads(report[report.index("[{") :])}
    dags = {name: (each["dag_num"], each["dags"]) for name, each in files.items()}
    assert dags == {"as_it_is.py": ("1", ["bedrock_async_etl"]), "own.py": ("1", [DAG_ID])}
    assert max(each["duration"] for each in files.values()) < "0:00:01"


def test_two_runs_by_the_command_line_from_nothing_make_an_exact_copy(
    home: AirflowHome, filled: Control, database: Path
) -> None:
    settings = {
        "database": str(database),
        "regions": [REGION, OTHER_REGION],
        "export": str(database.with_name("out")),
        "publish": str(database.with_name("readers.duckdb")),
        "aws_conn_id": CONNECTION,
    }
    variables = {
        "AIRFLOW_VAR_BEDROCK_ASYNC_ETL": json.dumps(settings),
        f"AIRFLOW_CONN_{CONNECTION.upper()}": json.dumps(connection()),
    }
    for number in (1, 2):
        home.run("dags", "test", "bedrock_async_etl", **variables)
        assert_exact_copy(database, filled)
        assert_exact_copy(database.with_name("readers.duckdb"), filled)
        assert home.events() == [MODELS, EXPORT] * number
        filled.advance(timedelta(hours=6))
    assert rows_of(database.with_name("out")) == len(stored_rows(database))
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


@pytest.mark.soak
def test_a_load_killed_in_the_middle_is_tried_again_and_the_copy_is_exact(
    server: AirflowServer, filled: Control, database: Path
) -> None:
    use(server, database=str(database), concurrency=1)
    filled.faults(latency_seconds=0.3)
    before = len(server.home.events())
    run = server.trigger()
    half = len(filled.listing(ACCOUNT, REGION)) // 2
    wait_for(lambda: sum(each["rows_served"] for each in filled.calls().values()) > half or None)
    os.kill(run.tasks()["load[0]"]["pid"], signal.SIGKILL)
    filled.clear_faults()
    assert run.ended() == "success"
    tries = {name: task["try_number"] for name, task in run.tasks().items()}
    names = ("shards", "load[0]", "models", "checks", "export", "verdict")
    assert tries == dict.fromkeys(names, 1) | {"load[0]": 2}
    assert_exact_copy(database, filled)
    filled.advance(timedelta(hours=6))
    second = server.trigger()
    assert second.ended() == "success"
    assert second.returned("load", 0)["rows_loaded"] > 0
    assert_exact_copy(database, filled)
    assert server.home.events()[before:] == [MODELS] * 2


@pytest.mark.soak
def test_shards_load_a_lake_together_which_is_exported(
    server: AirflowServer, filled: Control, database: Path
) -> None:
    lake, out = database.with_name("lake"), database.with_name("out")
    use(server, lake=str(lake), shards=2, compact_after=1, export=str(out))
    run = server.trigger()
    assert run.ended() == "success"
    assert run.states() == dict.fromkeys(
        ("shards", "load[0]", "load[1]", "models", "checks", "export", "verdict"), "success"
    )
    assert_exact_copy(LakeDestination(str(lake)), filled)
    loaded = [run.returned("load", number)["rows_loaded"] for number in (0, 1)]
    assert sum(loaded) == len(stored_rows(LakeDestination(str(lake))))
    assert rows_of(out) == sum(loaded)
    assert run.returned("models")["compaction"].startswith("Compacted the lake: ")


@pytest.mark.soak
def test_a_range_is_loaded_by_the_parameters_of_a_run(
    server: AirflowServer, filled: Control, database: Path
) -> None:
    """Another command holds the destination at first, so that the load has to be tried again."""
    use(server, database=str(database), wait="1s")
    since, until = "2026-03-28T00:00:00Z", "2026-03-29T00:00:00Z"
    with FileLock(f"{database}.lock"):
        run = server.trigger(since=since, until=until)
        wait_for(lambda: run.states().get("load[0]") == "up_for_retry" or None)
    assert run.ended() == "success"
    listed = [row for where in (REGION, OTHER_REGION) for row in filled.listing(ACCOUNT, where)]
    expected = {row["invocationArn"] for row in listed if since <= row["submitTime"] < until}
    assert {row[0] for row in stored_rows(database)} == expected
    assert f"{database} is in use by another process." in run.log("load", map_index=0)


@pytest.mark.soak
def test_a_scope_that_fails_fails_the_run_when_the_others_are_loaded_and_modelled(
    server: AirflowServer, filled: Control, database: Path
) -> None:
    use(server, database=str(database), check={"max_lag": 0.001})
    filled.faults(ACCOUNT, OTHER_REGION, access_denied=True)
    run = server.trigger()
    assert run.ended() == "failed"
    assert {name for name, state in run.states().items() if state == "failed"} == {"verdict"}
    assert run.tasks()["verdict"]["try_number"] == 1
    assert len(model_names(database)) == len(read_models())
    regions = "select distinct region from bedrock.async_invokes"
    assert query(database, regions) == [(REGION,)]
    told = run.log("verdict")
    assert "1 of 2 scopes failed:" in told
    assert f"{ACCOUNT}/{OTHER_REGION}: AccessDeniedException" in told
    assert f"Breach: lag of {ACCOUNT}/{REGION}" in told


@pytest.mark.soak
def test_a_check_that_does_not_hold_says_which_rows_and_is_not_tried_again(
    server: AirflowServer, filled: Control, database: Path, tmp_path: Path
) -> None:
    (tmp_path / "own" / "checks").mkdir(parents=True)
    rows = "select invocation_arn from bedrock.async_invokes order by submit_time limit 2"
    (tmp_path / "own" / "checks" / "mine.sql").write_text(f"-- There are none of them.\n{rows}")
    use(server, database=str(database), models=str(tmp_path / "own"))
    before = server.home.events()
    run = server.trigger()
    assert run.ended() == "failed"
    tasks = run.tasks()
    assert (tasks["models"]["state"], tasks["checks"]["state"]) == ("success", "failed")
    assert tasks["checks"]["try_number"] == 1
    told = run.log("checks")
    assert "Check mine: 2 rows break the rule: There are none of them." in told
    assert [f"invocation_arn={arn}" in told for (arn,) in query(database, rows)] == [True, True]
    assert server.home.events() == before


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"databse": "/a"}, 'has "databse", which is no setting: did you mean "database"?'),
        ({"database": "/a", "check": {"max_lag": "1ms"}}, "'1ms' is not a duration."),
    ],
)
def test_a_wrong_setting_fails_at_once_and_says_what_is_wrong(
    server: AirflowServer, filled: Control, settings: dict[str, Any], complaint: str
) -> None:
    use(server, **settings)
    run = server.trigger()
    assert run.ended() == "failed"
    assert run.tasks()["shards"]["try_number"] == 1
    assert json.dumps(complaint)[1:-1] in run.log("shards")


def test_a_parameter_that_is_none_fails_at_once_and_loads_nothing(
    server: AirflowServer, filled: Control, database: Path
) -> None:
    use(server, database=str(database))
    run = server.trigger(sinze="2026-03-28T00:00:00Z")
    assert run.ended() == "failed"
    assert run.tasks()["shards"]["try_number"] == 1
    complaint = 'run has "sinze", which is no setting: did you mean "since"?'
    assert json.dumps(complaint)[1:-1] in run.log("shards")
    assert not database.exists()
