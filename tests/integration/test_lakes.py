"""A lake is an exact copy, on a disk and on S3, whatever happens to the runs that load it."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from bedrock_async_etl.destinations.delta import upsert
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake.commits import newest_versions
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.load import load
from bedrock_async_invokes.columns import ASYNC_INVOKES
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy
from tests.integration.budgets import RUNS, cases
from tests.integration.conftest import BUCKET
from tests.integration.flaky import Flaky
from tests.integration.test_exactness import TOGETHER

pytestmark = pytest.mark.integration


@pytest.fixture
def filled(bedrock: Control, monkeypatch: pytest.MonkeyPatch) -> Control:
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__SLICE_ROWS", "1_000")
    bedrock.populate(ACCOUNT, REGION, 6_000, NOW - timedelta(days=5), NOW + timedelta(days=5), 1)
    return bedrock


def data_files(lake: LakeDestination) -> Sequence[str]:
    return lake.files.glob("bedrock/async_invokes/**/*.parquet")


def chosen(lake: LakeDestination) -> list[str]:
    """The options that choose the kind of a lake."""
    catalog = [f"--catalog={lake.catalog}"] if lake.catalog else []
    return [f"--destination={lake.table_format}", *catalog]


def start_run(lake: LakeDestination, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bedrock_async_etl", "run", "--no-models", "--lake", lake.url]
    return subprocess.Popen(
        [*command, *chosen(lake), *options],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
    )


def test_each_of_many_runs_under_faults_ends_as_an_exact_copy(
    bedrock: Control, lake: LakeDestination
) -> None:
    bedrock.populate(ACCOUNT, REGION, 6_000, NOW - timedelta(days=5), NOW + timedelta(days=2), 1)
    bedrock.faults(**TOGETHER)
    for run in range(RUNS):
        result = load(lake, slice_rows=1_500)
        assert [scope.error for scope in result.scopes] == [None]
        assert_exact_copy(lake, bedrock)
        bedrock.advance(timedelta(minutes=7 * (run % 5), seconds=run))


def test_a_run_that_changes_nothing_writes_no_data_file(
    filled: Control, lake: LakeDestination
) -> None:
    load(lake)
    before = data_files(lake)
    assert load(lake).rows_loaded == 0
    shutil.rmtree(lake.working_directory)
    assert load(lake).rows_loaded == 0
    assert data_files(lake) == before


def test_a_lost_working_directory_is_restored_from_the_lake(
    filled: Control, lake: LakeDestination
) -> None:
    load(lake)
    for _ in range(3):
        shutil.rmtree(lake.working_directory)
        filled.advance(timedelta(hours=2))
        assert load(lake).scopes[0].calls <= 3
        assert_exact_copy(lake, filled)


@pytest.fixture
def refusing_s3(bedrock: Control, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 that lets these credentials do nothing."""

    class Refuses(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_a_bucket_that_refuses_is_told_with_what_to_allow(refusing_s3: None) -> None:
    with pytest.raises(CommandError, match=r"^No permission for s3://closed\. .*s3:ListBucket"):
        load(LakeDestination("s3://closed/lake", "parquet"))


def test_a_bucket_that_is_not_there_is_told(
    bedrock: Control, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    with pytest.raises(CommandError, match=r"^There is no bucket nowhere: make it first"):
        load(LakeDestination("s3://nowhere/lake", "parquet"))


DAYS = 100
PER_DAY = 10_000


def invocations(first: int, last: int, status: str) -> pa.Table:
    """Those numbered from `first` to before `last`, so many of which are submitted each day."""
    numbers = pa.array(range(first, last))
    days = pc.cast(pc.divide(numbers, PER_DAY), pa.int32())
    columns = {
        "invocation_arn": pc.cast(numbers, pa.string()),
        "model_arn": pa.repeat("model/m", len(numbers)),
        "status": pa.repeat(status, len(numbers)),
        "submit_date": pc.cast(days, pa.date32()),
        "observed_at": pa.repeat(pa.scalar(NOW, pa.timestamp("us", "UTC")), len(numbers)),
    }
    nothing = {field.name: pa.nulls(len(numbers), field.type) for field in ASYNC_INVOKES.schema}
    return pa.table(nothing | columns, ASYNC_INVOKES.schema)


def test_an_upsert_of_ten_thousand_rows_into_a_million_touches_their_dates_alone(
    tmp_path: Path,
) -> None:
    write_deltalake(
        tmp_path, invocations(0, DAYS * PER_DAY, "InProgress"), partition_by=["submit_date"]
    )
    table = DeltaTable(tmp_path)
    before = set(table.file_uris())
    figures = upsert(table, invocations(505_000, 515_000, "Completed"))
    assert (figures["num_target_rows_updated"], figures["num_target_rows_inserted"]) == (10_000, 0)
    assert figures["num_target_files_scanned"] == 2
    assert len(before & set(table.file_uris())) == DAYS - 2
    statuses = table.to_pyarrow_table(columns=["status"])["status"].to_pylist()
    assert (statuses.count("Completed"), len(statuses)) == (10_000, DAYS * PER_DAY)


def test_an_upsert_of_older_versions_changes_nothing(tmp_path: Path) -> None:
    newest = invocations(0, 4, "Completed")
    write_deltalake(tmp_path, newest, partition_by=["submit_date"])
    older = invocations(0, 4, "InProgress").set_column(
        ASYNC_INVOKES.schema.get_field_index("observed_at"),
        ASYNC_INVOKES.schema.field("observed_at"),
        pa.repeat(pa.scalar(NOW - timedelta(seconds=1), pa.timestamp("us", "UTC")), 4),
    )
    upsert(DeltaTable(tmp_path), older)
    statuses = DeltaTable(tmp_path).to_pyarrow_table(columns=["status"])["status"]
    assert statuses.to_pylist() == ["Completed"] * 4


def without_submit_date(rows: pa.Table) -> pa.Table:
    place, field = rows.schema.get_field_index("submit_date"), rows.schema.field("submit_date")
    return rows.set_column(place, field, pa.nulls(rows.num_rows, field.type))


def test_an_upsert_finds_rows_that_had_no_date_or_lose_it(tmp_path: Path) -> None:
    undated = without_submit_date(invocations(0, 4, "InProgress"))
    write_deltalake(tmp_path, undated, partition_by=["submit_date"])
    upsert(DeltaTable(tmp_path), invocations(0, 2, "Completed"))
    rows = DeltaTable(tmp_path).to_pyarrow_table(columns=["invocation_arn", "submit_date"])
    dates = [date(1970, 1, 1), date(1970, 1, 1), None, None]
    assert rows.sort_by("invocation_arn")["submit_date"].to_pylist() == dates
    upsert(DeltaTable(tmp_path), without_submit_date(invocations(1, 3, "Failed")))
    rows = DeltaTable(tmp_path).to_pyarrow_table(columns=["invocation_arn", "submit_date"])
    assert rows.sort_by("invocation_arn")["submit_date"].to_pylist() == [dates[0], None, None, None]


def test_versions_of_one_invocation_in_one_package_come_down_to_the_newest() -> None:
    older, newer = invocations(0, 2, "InProgress"), invocations(0, 2, "Completed")
    assert newest_versions(pa.concat_tables([older, newer]), ASYNC_INVOKES) == newer


def test_an_empty_folder_of_the_s3_console_becomes_a_lake(bedrock: Control, lake_url: str) -> None:
    """The console makes a folder as an empty object, which S3 lists in the folder itself."""
    lake = LakeDestination(lake_url)
    if lake.files.is_local:
        Path(lake_url).mkdir()
    else:
        lake.files.write_text("", "")
    assert load(lake).exit_code == 0


@pytest.mark.soak
@pytest.mark.parametrize("table_format", ["parquet", "delta"])
def test_all_commands_survive_an_s3_of_which_three_in_ten_calls_fail(
    table_format: str,
    filled: Control,
    database: Path,
    s3_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    lake = f"--lake={url}/lake"
    with Flaky(s3_endpoint, 0.3) as flaky:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", flaky.url)
        commands = [
            ["run", lake, f"--destination={table_format}"],
            ["models", lake],
            ["status", lake],
            ["check", lake, "--max-lag=1h"],
            ["report", str(database.with_name("report.html")), lake],
            ["export", f"{url}/export", lake],
            ["compact", lake, "--grace=0"],
        ]
        for command in commands:
            done = subprocess.run(
                [sys.executable, "-m", "bedrock_async_etl", *command],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        assert flaky.failed > flaky.calls / 5 > 20
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    assert_exact_copy(LakeDestination(f"{url}/lake"), filled)


@pytest.mark.parametrize("table_format", cases([("parquet",), ("delta",)], [("delta",)]))
@pytest.mark.parametrize("lake_url", ["s3"], indirect=True)
def test_credentials_of_a_process_are_enough_for_a_lake(
    table_format: str,
    filled: Control,
    lake_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = {
        "Version": 1,
        "AccessKeyId": taken_key(monkeypatch),
        "SecretAccessKey": "emulator",
        "SessionToken": "token",
        "Expiration": "2099-01-01T00:00:00Z",
    }
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    (tmp_path / "config").write_text(
        f"[default]\ncredential_process = cat {tmp_path / 'answer.json'}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    lake = LakeDestination(lake_url, table_format)
    for _ in range(2):
        process = start_run(lake)
        assert process.wait(timeout=120) == 0
        filled.advance(timedelta(hours=5))
    load(lake)
    assert_exact_copy(lake, filled)


def taken_key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of the environment, which has it no more."""
    key = os.environ["AWS_ACCESS_KEY_ID"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    return key
