"""Exports of millions of rows: other engines read them, while they change and after any kill."""

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import boto3
import duckdb
import polars
import pyarrow.compute as pc
import pyarrow.dataset
import pytest
import requests
from fsspec import AbstractFileSystem

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.export.export import ExportResult, export
from bedrock_async_etl.files.publication import INTENT, STAGED_MANIFEST, STAGING
from tests.integration.budgets import cases
from tests.integration.places import BUCKET, Place, served_s3, use_s3

pytestmark = pytest.mark.integration

ROWS, DATES = 2_000_000, 30
MAKE = """
create schema bedrock;
create table bedrock.async_invokes as
with numbers as (
    select
        number,
        case
            when number % 100_000 > 0
                then timestamptz '2026-03-01 00:00:00+00'
                    + to_microseconds(cast(number * (86400e6 * $dates / $rows) as bigint))
        end as submit_time
    from range($rows) as numbers (number)
)
select
    'arn:aws:bedrock:us-east-1:111122223333:async-invoke/' || left(md5('' || number), 12)
        as invocation_arn,
    if(number % 20 = 0, 'Failed', 'Completed') as status,
    submit_time,
    submit_time + to_seconds(cast(60 + number % 300 as double)) as end_time,
    cast(submit_time at time zone 'UTC' as date) as submit_date,
    's3://renders/' || md5('' || number) as output_s3_uri,
    timestamptz '2026-03-31 12:00:00+00' as observed_at
from numbers;
create schema bedrock_analytics;
create table bedrock_analytics.daily as
select submit_date, count(*) as invocations from bedrock.async_invokes group by all;
"""
CHANGE = """
update bedrock.async_invokes set observed_at = observed_at + interval 1 hour, status = 'Changed'
where invocation_arn in (
    select invocation_arn from bedrock.async_invokes
    where submit_date = '2026-03-03' order by submit_time limit 500
);
insert into bedrock.async_invokes
select * replace ('new-' || invocation_arn as invocation_arn) from bedrock.async_invokes
where submit_date = '2026-03-29' order by submit_time limit 500;
"""
ONE_MORE_A_DATE = """
insert into bedrock.async_invokes
select * replace ('new-' || invocation_arn as invocation_arn) from bedrock.async_invokes
qualify row_number() over (partition by submit_date order by submit_time) = 1;
"""


def make(path: Path, rows: int = ROWS, dates: int = DATES) -> Path:
    with duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for statement in connection.extract_statements(MAKE):
            needed = {"rows": rows, "dates": dates} if "$rows" in statement.query else None
            connection.execute(statement, needed)
    return path


def change(database: Path, sql: str) -> None:
    with duckdb.connect(database) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(sql)


def exported(database: Path, place: Place) -> ExportResult:
    with DuckDBDestination(database).connection() as connection:
        return export(connection, place.url)


def stored_by_date(database: Path) -> dict[Any, int]:
    query = "select submit_date, count(*) from bedrock.async_invokes group by all"
    with DuckDBDestination(database).connection() as connection:
        return dict(connection.sql(query).fetchall())


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with served_s3() as endpoint:
        yield endpoint


@pytest.fixture(params=["local", "s3"])
def place(
    request: pytest.FixtureRequest, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    if request.param == "local":
        return Place(str(tmp_path / "export"))
    use_s3(s3, monkeypatch)
    return Place(f"s3://{BUCKET}/exports/bedrock")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("large") / "large.duckdb")


@pytest.fixture
def large(made: Path, tmp_path: Path) -> Path:
    """Two million rows on 30 dates, a few of them without a submit_time; to be changed."""
    return Path(shutil.copy(made, tmp_path))


def test_arrow_duckdb_and_polars_read_the_same(large: Path, tmp_path: Path) -> None:
    place = Place(str(tmp_path / "export"))
    exported(large, place)
    with DuckDBDestination(large).connection() as connection:
        [expected] = connection.execute(
            "select count(*), count(submit_time), sum(epoch_us(end_time) - epoch_us(submit_time)), "
            "count(distinct submit_date), min(epoch_us(submit_time)) from bedrock.async_invokes"
        ).fetchall()
    folder = f"{place.url}/async_invokes"
    assert expected[0] == ROWS
    assert expected[1] < ROWS
    assert arrow_reads(folder) == expected
    assert duckdb_reads(folder) == expected
    assert polars_reads(folder) == expected


def arrow_reads(folder: str) -> tuple[int, ...]:
    table = pyarrow.dataset.dataset(folder, partitioning="hive").to_table()
    submitted, ended = (table[name].cast(pyarrow.int64()) for name in ("submit_time", "end_time"))
    return (
        len(table),
        pc.count(submitted).as_py(),
        pc.sum(pc.subtract(ended, submitted)).as_py(),
        pc.count_distinct(table["submit_date"]).as_py(),
        pc.min(submitted).as_py(),
    )


def duckdb_reads(folder: str) -> tuple[int, ...]:
    [row] = duckdb.execute(
        "select count(*), count(submit_time), sum(epoch_us(end_time) - epoch_us(submit_time)), "
        "count(distinct submit_date), min(epoch_us(submit_time)) "
        f"from read_parquet('{folder}/*/*.parquet', hive_partitioning = true)"
    ).fetchall()
    return tuple(row)


def polars_reads(folder: str) -> tuple[int, ...]:
    submitted = polars.col("submit_time")
    frame = polars.scan_parquet(f"{folder}/**/*.parquet", hive_partitioning=True)
    counts = frame.select(
        polars.len(),
        submitted.count().alias("submitted"),
        (polars.col("end_time") - submitted).dt.total_microseconds().sum().alias("total"),
        polars.col("submit_date").drop_nulls().n_unique().alias("dates"),
        submitted.dt.timestamp("us").min().alias("first"),
    )
    return tuple(counts.collect().row(0))


@pytest.mark.parametrize("place", cases([("local",), ("s3",)], [("local",)]), indirect=True)
def test_a_thousand_changed_rows_of_two_dates_rewrite_two_files_and_readers_see_no_third_state(
    place: Place, large: Path
) -> None:
    exported(large, place)
    before, rows_before = place.names(), sum(place.rows_by_date().values())
    change(large, CHANGE)
    with polled(place) as seen:
        result = exported(large, place)
    after = place.names()
    assert {name for name in after if after[name] != before.get(name)} == {
        "_manifest.json",
        "async_invokes/submit_date=2026-03-03/part-0.parquet",
        "async_invokes/submit_date=2026-03-29/part-0.parquet",
    }
    assert before.keys() == after.keys()
    assert len(result.tables[0].written) == 2
    assert seen == {rows_before, rows_before + 500}
    assert place.rows_by_date() == stored_by_date(large)


class polled:  # noqa: N801
    """Counts that readers saw before the block, while it ran, and after it.

    An object that is replaced may fail a reader.
    """

    def __init__(self, place: Place) -> None:
        self._place, self._over, self.seen = place, threading.Event(), set[int]()
        self._thread = threading.Thread(target=self._poll)

    def __enter__(self) -> set[int]:
        self._look()  # The block may be faster than a look.
        self._thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _poll(self) -> None:
        is_over = False
        while not is_over:
            is_over = self._over.is_set()  # The last look is after the end.
            try:
                self._look()
            except duckdb.Error:
                assert self._place.url.startswith("s3://")

    def _look(self) -> None:
        self.seen.add(sum(self._place.rows_by_date().values()))


@pytest.fixture(scope="module")
def old_and_new(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A database, and the same with one more row on each of 60 dates."""
    folder = tmp_path_factory.mktemp("databases")
    old, new = (make(folder / name, 4_000, 60) for name in ("old.duckdb", "new.duckdb"))
    change(new, ONE_MORE_A_DATE)
    return old, new


MOMENTS = ["0", "30", STAGED_MANIFEST, INTENT, "at random"]


@pytest.mark.parametrize(
    ("moment", "place"),
    cases(
        product(MOMENTS, ("local", "s3")),
        list(product(MOMENTS[2:], ["local"])),
    ),
    indirect=["place"],
)
def test_a_kill_leaves_whole_files_and_the_next_export_is_right(
    moment: str, place: Place, old_and_new: tuple[Path, Path]
) -> None:
    """Killed once a certain file is staged; each date is the old one or the new one."""
    old, new = old_and_new
    exported(old, place)
    before, after = stored_by_date(old), stored_by_date(new)
    kill_export(new, place, moment)
    left = place.rows_by_date()
    assert left.keys() == before.keys()
    assert all(rows in (before[date], after[date]) for date, rows in left.items())
    if moment in ("0", "30"):
        assert left == before
    exported(new, place)
    assert place.rows_by_date() == after
    assert not place.names(STAGING)


def kill_export(database: Path, place: Place, moment: str) -> None:
    command = [
        sys.executable,
        "-m",
        "bedrock_async_etl",
        "export",
        place.url,
        "--database",
        str(database),
    ]
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if moment == "at random":
        time.sleep(random.uniform(0.5, 5))
    else:
        fs, root = place.open()
        while process.poll() is None and moment not in staged_names(fs, root):
            pass
    process.send_signal(signal.SIGKILL)
    process.wait()


def staged_names(fs: AbstractFileSystem, root: str) -> set[str]:
    try:
        paths = fs.find(f"{root}/{STAGING}")
    except FileNotFoundError:  # A folder that went while it was read.
        return set()
    return {path.rpartition("/")[2] for path in paths}


@pytest.mark.parametrize("place", cases([("local",), ("s3",)], [("local",)]), indirect=True)
def test_a_kill_during_the_first_export_is_made_whole(
    place: Place, old_and_new: tuple[Path, Path]
) -> None:
    for moment in ("0", INTENT):
        kill_export(old_and_new[0], place, moment)
        exported(old_and_new[0], place)
        assert place.rows_by_date() == stored_by_date(old_and_new[0])
        fs, root = place.open()
        fs.rm(root, recursive=True)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_the_endpoint_is_where_the_aws_environment_says(
    variable: str,
    s3: str,
    old_and_new: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_s3(s3, monkeypatch)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv(variable, s3)
    exported(old_and_new[0], Place(f"s3://{BUCKET}"))
    listed = boto3.resource("s3").Bucket(BUCKET).objects.filter(Prefix="async_invokes/")
    assert len(list(listed)) == 61


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_bucket_that_is_not_there_is_told_and_not_made(
    dry_run: bool, s3: str, old_and_new: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(s3, monkeypatch)
    with (
        DuckDBDestination(old_and_new[0]).connection() as connection,
        pytest.raises(CommandError, match=r"s3://none/a: .* Make the bucket"),
    ):
        export(connection, "s3://none/a", dry_run=dry_run)
    assert [bucket.name for bucket in boto3.resource("s3").buckets.all()] == [BUCKET]


def test_credentials_that_are_missing_are_told(
    s3: str, old_and_new: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(s3, monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CommandError, match="no AWS credentials found"):
        exported(old_and_new[0], Place(f"s3://{BUCKET}/a"))


def test_a_user_who_may_not_write_is_told_what_to_allow(
    old_and_new: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_s3() as endpoint:
        use_s3(endpoint, monkeypatch)
        boto3.client("iam").create_user(UserName="reader")
        key = boto3.client("iam").create_access_key(UserName="reader")["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        # From now on moto asks who it is, and what that one may do.
        requests.post(f"{endpoint}/moto-api/reset-auth", data="0").raise_for_status()
        with pytest.raises(CommandError, match=r"access is denied .* s3:PutObject"):
            exported(old_and_new[0], Place(f"s3://{BUCKET}/a"))
