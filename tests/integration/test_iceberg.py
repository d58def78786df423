"""Iceberg tables: what commits, rollbacks, compactions and other readers find."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pytest
from dlt.common.configuration.specs import AwsCredentials
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.table import Table
from sqlalchemy.exc import OperationalError

from bedrock_async_etl.destinations import find_destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.destinations.iceberg import Format
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake import model_tables as lake_model_tables
from bedrock_async_etl.destinations.lake.compaction import compact
from bedrock_async_etl.destinations.lake.iceberg import file_io
from bedrock_async_etl.destinations.lake.iceberg.data_files import day_of
from bedrock_async_etl.destinations.lake.iceberg.snapshots import current_files
from bedrock_async_etl.destinations.lake.iceberg.tables import IcebergTables
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.files.publication import Publication
from bedrock_async_etl.load import load
from bedrock_async_etl.models.build import build_tables
from bedrock_async_invokes.columns import ASYNC_INVOKES
from bedrock_emulator import Control
from tests.builds import build_models
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy
from tests.integration.budgets import SOAK, cases
from tests.integration.rest_catalog import open_catalog

pytestmark = pytest.mark.integration

DAYS = 5
SORTED = [(name, "ascending") for name in ("account_id", "region", "model_id", "submit_date")]
RUNS = 500 if SOAK else 7


@pytest.fixture
def filled(bedrock: Control) -> Control:
    """Invocations of some days until now, and as many from now on."""
    bedrock.populate(ACCOUNT, REGION, 2_000, NOW - timedelta(days=DAYS), NOW + timedelta(days=DAYS))
    return bedrock


@pytest.fixture
def lake(filled: Control, tmp_path: Path) -> LakeDestination:
    """A lake with a catalog of its own, into which nothing was loaded."""
    return LakeDestination(str(tmp_path / "lake"), "iceberg")


def table(lake: LakeDestination, name: str = "bedrock.async_invokes") -> Table:
    """A table as another program finds it."""
    folder = lake.files.root
    return load_catalog(type="sql", uri=f"sqlite:///{folder}/catalog.db").load_table(name)


def files_by_day(found: Table) -> dict[date, list[str]]:
    days: dict[date, list[str]] = {}
    for task in found.scan().plan_files():
        day = date(1970, 1, 1) + timedelta(days=task.file.partition[0])
        days.setdefault(day, []).append(task.file.file_path)
    return days


@pytest.mark.filterwarnings("ignore::polars.exceptions.PerformanceWarning")
def test_pyiceberg_polars_and_duckdb_find_the_current_rows(
    filled: Control, lake: LakeDestination
) -> None:
    for _ in range(3):
        load(lake)
        filled.advance(timedelta(hours=30))
        listed = {row["invocationArn"]: row["status"] for row in filled.listing(ACCOUNT, REGION)}
        load(lake)
        found = table(lake)
        arrow = found.scan().to_arrow()
        columns = ("invocation_arn", "status")
        frame = polars.scan_iceberg(found).select(columns).collect()
        paths = [task.file.file_path for task in found.scan().plan_files()]
        rows = duckdb.read_parquet(paths).select(*columns).fetchall()
        assert dict(zip(*(arrow[name].to_pylist() for name in columns), strict=True)) == listed
        assert len(rows) == frame.height == arrow.num_rows == len(listed)
        assert dict(frame.rows()) == dict(rows) == listed


def test_a_load_reads_and_writes_the_days_that_it_touches_in_one_snapshot(
    filled: Control, lake: LakeDestination
) -> None:
    load(lake)
    before, snapshots = files_by_day(table(lake)), len(table(lake).metadata.snapshots)
    filled.advance(timedelta(minutes=30))
    assert load(lake, {"scrub_calls": 0}).rows_loaded
    after = files_by_day(table(lake))
    assert len(table(lake).metadata.snapshots) == snapshots + 1
    changed = {day for day in after if after[day] != before.get(day)}
    assert changed <= {NOW.date(), NOW.date() - timedelta(days=1)} < after.keys()
    assert {len(files) for files in after.values()} == {1}
    assert table(lake).sort_order().fields


def test_the_progress_goes_with_the_rows_when_a_table_is_rolled_back(
    filled: Control, lake: LakeDestination
) -> None:
    load(lake)
    first = table(lake).metadata.current_snapshot_id
    filled.advance(timedelta(hours=5))
    loaded = load(lake).rows_loaded
    assert first
    table(lake).manage_snapshots().rollback_to_snapshot(first).commit()
    assert load(lake).rows_loaded >= loaded
    assert_exact_copy(lake, filled)


def test_a_run_without_news_keeps_its_progress_and_no_row_is_written(
    filled: Control, lake: LakeDestination
) -> None:
    load(lake)
    before = files_by_day(table(lake))
    filled.advance(timedelta(seconds=1))
    load(lake)
    assert files_by_day(table(lake)) == before


def test_many_runs_leave_few_files_and_no_reader_fails(
    filled: Control, lake: LakeDestination
) -> None:
    """By the time of the runs; the clock of the catalog stands still, so that nothing has grace."""
    for number in range(RUNS):
        load(lake)
        if number % 5 == 4:
            reader = table(lake).scan().to_arrow_batch_reader()
            compact(lake, 3_600)
            assert reader.read_all().num_rows == len(filled.listing(ACCOUNT, REGION))
            compact(lake, 0)
        filled.advance(timedelta(minutes=10))
    assert_exact_copy(lake, filled) if load(lake) else None
    assert {len(files) for files in files_by_day(table(lake)).values()} == {1}
    folder = Path(lake.files.root, "bedrock", "async_invokes")
    assert len([*folder.glob("metadata/*.metadata.json")]) <= 20
    stored = {str(path) for path in folder.glob("data/**/*.parquet")}
    assert len(stored) <= len(files_by_day(table(lake))) + 5 * 3


def test_a_compaction_removes_what_no_snapshot_has(filled: Control, lake: LakeDestination) -> None:
    for _ in range(4):
        load(lake)
        filled.advance(timedelta(hours=2))
    [invocations, runs, *_] = compact(lake, 0)
    assert (runs.files_before, runs.files_after) == (4, 1)
    assert invocations.removed > 3
    folder = Path(lake.files.root, "bedrock", "async_invokes")
    paths = {f"file://{path}" for path in folder.glob("data/**/*.parquet")}
    assert paths == {path for files in files_by_day(table(lake)).values() for path in files}
    load(lake)
    assert_exact_copy(lake, filled)


def test_a_compaction_is_due_by_the_snapshots_that_were_replaced(
    filled: Control, lake: LakeDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = replace(lake, compact_after=2)
    for _ in range(4):
        load(due)
        filled.advance(timedelta(hours=2))
    assert due.compact_if_due() is None
    monkeypatch.setattr("bedrock_async_etl.destinations.iceberg.GRACE_SECONDS", 0)
    monkeypatch.setattr("bedrock_async_etl.destinations.lake.GRACE_SECONDS", 0)
    done = due.compact_if_due()
    assert done
    assert "files into" in done.message
    assert due.compact_if_due() is None


def test_a_table_gets_the_columns_of_a_newer_version(
    filled: Control, lake: LakeDestination
) -> None:
    load(lake)
    with table(lake).update_schema() as older:
        older.delete_column("extra")
    filled.advance(timedelta(hours=5))
    load(lake)
    assert {*table(lake).schema().column_names} == {*ASYNC_INVOKES.stored_schema.names}
    assert_exact_copy(lake, filled)


def versions(numbers: range, day: date | None, seconds: int) -> pa.Table:
    """Invocations of a day, or of none, as they were read so many seconds later."""
    submitted = None if day is None else datetime.combine(day, NOW.timetz())
    columns = {
        "invocation_arn": pa.array([f"arn-{number}" for number in numbers]),
        "model_arn": pa.repeat("model/m", len(numbers)),
        "submit_time": pa.repeat(pa.scalar(submitted, pa.timestamp("us", "UTC")), len(numbers)),
        "submit_date": pa.repeat(pa.scalar(day, pa.date32()), len(numbers)),
        "observed_at": pa.repeat(
            pa.scalar(NOW + timedelta(seconds=seconds), pa.timestamp("us", "UTC")), len(numbers)
        ),
        "_dlt_load_id": pa.repeat(str(seconds), len(numbers)),
    }
    schema = ASYNC_INVOKES.stored_schema
    return pa.table(
        {
            field.name: columns.get(field.name, pa.nulls(len(numbers), field.type))
            for field in schema
        },
        schema,
    )


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.integers(1, 3),
                st.sampled_from([None, NOW.date()]),
                st.integers(0, 5),
            ),
            min_size=1,
            max_size=2,
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=200 if SOAK else 8)
def test_the_newest_version_is_stored_once_whatever_day_it_has(
    loads: list[list[tuple[int, int, date | None, int]]],
) -> None:
    """Rows get a day and lose it; an older version may come last, as from a slow worker."""
    newest: dict[str, tuple[int, date | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        lake = LakeDestination(folder, "iceberg")
        tables = IcebergTables(lake.files, None)
        tables.commit({"async_invokes": versions(range(9, 10), NOW.date(), 0)}, "older", {})
        newest["arn-9"] = 0, NOW.date()
        with table(lake).update_schema() as older:
            older.delete_column("extra")
        for number, parts in enumerate(loads):
            rows = []
            for first, count, day, seconds in parts:
                rows.append(versions(range(first, first + count), day, seconds))
                for arn in rows[-1]["invocation_arn"].to_pylist():
                    if arn not in newest or newest[arn][0] <= seconds:
                        newest[arn] = seconds, day
            tables.commit({"async_invokes": pa.concat_tables(rows)}, str(number), {})
        found = table(lake)
        stored = found.scan().to_arrow().select(["invocation_arn", "submit_date"]).to_pylist()
        assert sorted(stored, key=str) == sorted(
            ({"invocation_arn": arn, "submit_date": day} for arn, (_, day) in newest.items()),
            key=str,
        )
        days = [day_of(file) for file in current_files(found)]
        assert sorted(days, key=str) == sorted({day for _, day in newest.values()}, key=str)


@pytest.mark.parametrize("lake_url", ["rest"], indirect=True)
def test_a_rest_catalog_chooses_the_places_and_gives_the_keys(
    filled: Control, lake_url: str
) -> None:
    """The lake's own files are on the disk; those of its tables in the catalog's S3."""
    lake = LakeDestination(lake_url, "iceberg", catalog="rest")
    load(lake)
    build_models(lake)
    for _ in range(3):
        filled.advance(timedelta(hours=7))
        load(lake)
    assert sum(each.removed for each in compact(lake, 0)) > 0
    filled.advance(timedelta(hours=7))
    load(lake)
    build_models(lake)
    assert_exact_copy(lake, filled)
    catalog = open_catalog()
    invocations = catalog.load_table("bedrock.async_invokes")
    assert invocations.location().startswith("s3://warehouse/")
    assert invocations.scan().to_arrow().num_rows == len(filled.listing(ACCOUNT, REGION))
    daily = catalog.load_table("bedrock_analytics.failure_rate_daily").scan().to_arrow()
    with lake.connection() as connection:
        counted = connection.sql(
            "select sum(invocations) from bedrock_analytics.failure_rate_daily"
        ).fetchall()
    assert counted == [(sum(daily["invocations"].to_pylist()),)]
    catalog.drop_table("bedrock_analytics.failure_rate_daily")
    hourly = catalog.load_table("bedrock_analytics.failure_rate_hourly")
    rows = modelled(lake, "failure_rate_hourly")
    hourly.overwrite(hourly.scan().to_arrow())  # As a service does that compacts by itself.
    assert modelled(lake, "failure_rate_hourly") == rows
    old = [each.snapshot_id for each in hourly.refresh().snapshots()[:-1]]
    hourly.maintenance.expire_snapshots().by_ids(old).commit()
    with pytest.raises(duckdb.CatalogException):
        modelled(lake, "failure_rate_hourly")
    build_models(lake)
    rebuilt = catalog.load_table("bedrock_analytics.failure_rate_daily").scan().to_arrow()
    assert rebuilt.sort_by(SORTED).equals(daily.sort_by(SORTED))
    assert modelled(lake, "failure_rate_hourly") == rows


def modelled(lake: LakeDestination, name: str) -> list[tuple[Any, ...]]:
    """The rows of a model as the lake's own readers find them."""
    with lake.connection() as connection:
        return connection.sql(f"from bedrock_analytics.{name} order by all").fetchall()


def in_table(lake: LakeDestination, name: str) -> list[tuple[Any, ...]]:
    """The same as another program finds them."""
    rows: pa.Table = table(lake, f"bedrock_analytics.{name}").scan().to_arrow()  # noqa: F841
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.sql("from rows order by all").fetchall()


@pytest.mark.parametrize("rows_in_one_file", cases([(20_000,), (100,)], [(100,)]))
def test_models_are_tables_that_change_by_date(
    filled: Control,
    lake: LakeDestination,
    database: Path,
    rows_in_one_file: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lake_model_tables, "ROWS_IN_ONE_FILE", rows_in_one_file)
    for _ in range(3):
        load(lake)
        build_models(lake)
        filled.advance(timedelta(hours=7))
    load(DuckDBDestination(database))
    load(lake)
    build_models(lake)
    for name in ("invocations", "failure_rate_daily", "latency_hourly", "open_invocations"):
        assert modelled(lake, name) == in_table(lake, name)
    found = table(lake, "bedrock_analytics.invocations")
    paths = [task.file.file_path for task in found.scan().plan_files()]
    assert len(paths) == (1 if rows_in_one_file > 100 else DAYS + 2)
    assert len(modelled(lake, "invocations")) == len(filled.listing(ACCOUNT, REGION))


def names_of_models(lake: LakeDestination) -> list[str]:
    with lake.connection() as connection:
        query = "select view_name from duckdb_views() where schema_name = 'bedrock_analytics'"
        return [name for (name,) in connection.sql(query).fetchall()]


@pytest.mark.soak
def test_a_build_that_ends_between_its_tables_and_its_manifest_is_made_good_by_the_next(
    filled: Control, lake: LakeDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(lake)
    build_models(lake)
    filled.advance(timedelta(hours=7))
    load(lake)
    before = modelled(lake, "invocations")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(Publication, "publish", die)
        with pytest.raises(KeyboardInterrupt):
            build_models(lake)
    assert len(in_table(lake, "invocations")) > len(before)
    compact(lake, 0)
    assert modelled(lake, "invocations") == before
    build_models(lake)
    assert len(names_of_models(lake)) > 30
    for name in names_of_models(lake):
        assert modelled(lake, name) == in_table(lake, name), name


def test_a_model_whose_columns_change_and_one_that_goes(
    filled: Control, lake: LakeDestination, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    load(lake)
    (own / "mine.sql").write_text("select 1 as one, 'a' as two")
    (own / "gone.sql").write_text("select 1 as one")
    build_models(lake, own)
    assert in_table(lake, "mine") == modelled(lake, "mine") == [(1, "a")]
    (own / "mine.sql").write_text("select 'b' as one, 3.5::double as three")
    (own / "gone.sql").unlink()
    build_models(lake, own)
    assert in_table(lake, "mine") == modelled(lake, "mine") == [("b", 3.5)]
    assert "gone" not in names_of_models(lake)
    with pytest.raises(NoSuchTableError):
        table(lake, "bedrock_analytics.gone")


def test_what_another_program_wrote_into_a_model_is_replaced(
    filled: Control, lake: LakeDestination
) -> None:
    load(lake)
    build_models(lake)
    found = table(lake, "bedrock_analytics.invocations")
    found.append(found.scan().to_arrow().slice(0, 1))
    filled.advance(timedelta(hours=7))
    load(lake)
    build_models(lake)
    assert in_table(lake, "invocations") == modelled(lake, "invocations")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"lake": "a#b"}, "no name in its path may have '#'"),
        ({"lake": "a%20?b"}, "no name in its path may have '%?'"),
    ],
)
def test_what_an_iceberg_lake_cannot_be_is_told(options: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        find_destination(destination="iceberg", **options)


def test_a_lake_keeps_its_catalog_and_another_lake_has_another(
    filled: Control, lake: LakeDestination, tmp_path: Path
) -> None:
    load(lake)
    with pytest.raises(UsageError, match="has no catalog but its own: leave out --catalog"):
        load(replace(lake, catalog="glue"))
    shutil.copytree(lake.url, tmp_path / "other")
    with pytest.raises(CommandError, match=r"belongs to file://.*/lake, not to file://.*/other"):
        load(LakeDestination(str(tmp_path / "other")))


def test_a_catalog_that_cannot_be_opened_makes_no_lake(
    filled: Control, lake: LakeDestination
) -> None:
    with pytest.raises(CommandError, match=r"catalog wharehouse: .* Catalogs are glue;"):
        load(replace(lake, catalog="wharehouse"))
    load(lake)
    assert_exact_copy(lake, filled)


def test_a_catalog_that_another_worker_makes_at_the_same_moment_is_opened(
    filled: Control, lake: LakeDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, failures = SqlCatalog.create_tables, ["table iceberg_tables already exists"]

    def is_second(catalog: SqlCatalog) -> None:
        make(catalog)
        if failures:
            raise OperationalError("create table", None, Exception(failures.pop()))

    monkeypatch.setattr(SqlCatalog, "create_tables", is_second)
    load(lake)
    assert failures == []
    assert_exact_copy(lake, filled)


def test_a_table_that_must_keep_its_files_keeps_them(
    filled: Control, lake: LakeDestination
) -> None:
    for _ in range(3):
        load(lake)
        filled.advance(timedelta(hours=5))
    with table(lake).transaction() as transaction:
        transaction.set_properties({"gc.enabled": "false"})
    [rows, *others] = [each.removed for each in compact(lake, 0)]
    assert rows == 0 < sum(others)


USUAL = AwsCredentials("AKIA", "usual", region_name="eu-west-1", endpoint_url="https://usual")
VENDED = {"s3.access-key-id": "ASIA", "s3.secret-access-key": "vended", "s3.session-token": "t"}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, ("AKIA", "eu-west-1", "https://usual")),
        ({"s3.endpoint": "https://own"}, ("AKIA", "eu-north-1", "https://own")),
        ({"client.region": "us-east-2"}, ("AKIA", "us-east-2", "https://usual")),
        (VENDED | {"s3.region": "us-east-2"}, ("ASIA", "us-east-2", None)),
        (VENDED | {"s3.endpoint": "http://own"}, ("ASIA", "eu-north-1", "http://own")),
        (VENDED | {"client.access-key-id": "C", "s3.region": "r"}, ("ASIA", "r", None)),
        (
            {"client.access-key-id": "C", "client.secret-access-key": "c", "client.region": "r"},
            ("C", "r", None),
        ),
    ],
)
def test_s3_is_reached_by_what_is_given_and_else_as_boto3_would(
    properties: dict[str, str],
    expected: tuple[str, str, str | None],
    lake: LakeDestination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def usual(bucket: str, region: str | None = None) -> AwsCredentials:
        found = copy(USUAL)
        found.region_name = region or USUAL.region_name
        return found

    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    monkeypatch.setattr(file_io, "s3_access", usual)
    monkeypatch.setattr(file_io, "arrow_s3", lambda credentials: credentials)
    io = file_io.LakeFileIO({file_io.S3_ACCESS: file_io.S3Access(lake.files), **properties})
    found: Any = io.fs_by_scheme("s3", "bucket")
    assert (found.aws_access_key_id, found.region_name, found.endpoint_url) == expected


def test_a_table_whose_files_are_gone_is_told(filled: Control, lake: LakeDestination) -> None:
    load(lake)
    shutil.rmtree(Path(lake.files.root, "bedrock", "async_invokes", "metadata"))
    with pytest.raises(CommandError, match=r"bedrock\.async_invokes, whose files are gone"):
        load(lake)


def test_a_commit_whose_answer_is_lost_is_taken_for_one(
    filled: Control, lake: LakeDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repeated call is refused, since the table has changed: by the first one."""
    real = SqlCatalog.commit_table
    lost: list[object] = []

    def commit(self: SqlCatalog, *arguments: Any) -> Any:
        result = real(self, *arguments)
        if len(lost) < 5:
            lost.append(arguments)
            raise CommitFailedException("The table has changed.")
        return result

    monkeypatch.setattr(SqlCatalog, "commit_table", commit)
    for _ in range(3):
        load(lake)
        build_models(lake)
        filled.advance(timedelta(hours=5))
    assert len(lost) == 5
    assert load(lake).exit_code == 0
    assert_exact_copy(lake, filled)


def test_compaction_keeps_the_progress_and_what_others_have_named(
    filled: Control, lake: LakeDestination
) -> None:
    for _ in range(10):
        load(lake)
        filled.advance(timedelta(hours=12))
    named = table(lake).metadata.current_snapshot_id
    assert named
    table(lake).manage_snapshots().create_tag(named, "theirs").commit()
    load(lake)
    before = stored_progress(lake)
    with table(lake).transaction() as theirs, theirs.update_snapshot().fast_append():
        pass
    compact(lake, 0)
    compact(lake, 0)
    assert stored_progress(lake) == before != {}
    assert table(lake).scan(snapshot_id=named).to_arrow().num_rows
    assert load(lake).rows_loaded == 0


def stored_progress(lake: LakeDestination) -> Mapping[str, str]:
    stored = lake.stored_format
    assert isinstance(stored, Format)
    return stored.tables.progress()


def test_the_file_of_progress_that_the_snapshot_names_stays(
    filled: Control, lake: LakeDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load whose snapshot never came has left a newer one."""
    load(lake)
    filled.advance(timedelta(hours=5))
    with monkeypatch.context() as broken:
        broken.setattr(IcebergTables, "commit", lambda *_: 1 / 0)
        with pytest.raises(CommandError, match="ZeroDivisionError"):
            load(lake)
    compact(lake, 0)
    shutil.rmtree(lake.working_directory)
    filled.reset_calls()
    assert load(lake, {"scrub_calls": 0}).exit_code == 0
    assert sum(each["rows_served"] for each in filled.calls().values()) < 500
    assert_exact_copy(lake, filled)


@pytest.mark.soak
def test_rows_of_a_date_that_has_none_any_more_leave_the_table(
    bedrock: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = LakeDestination(str(tmp_path / "lake"), "iceberg")
    monkeypatch.setattr(lake_model_tables, "ROWS_IN_ONE_FILE", 1)
    (own := tmp_path / "own").mkdir()
    (own / "running.sql").write_text(
        "-- dated by: submit_date\n"
        "select submit_date, invocation_arn from bedrock.async_invokes where status = 'InProgress'"
    )
    for hours in (30, 2, 1):
        at, lasts = NOW - timedelta(hours=hours), timedelta(hours=hours + 1)
        bedrock.submit(ACCOUNT, REGION, submit_time=at, duration=lasts if hours == 30 else None)
    load(lake)
    build_models(lake, own)
    assert len(in_table(lake, "running")) == 3
    bedrock.advance(timedelta(hours=2))
    load(lake)
    build_models(lake, own)
    assert len(modelled(lake, "running")) == 2
    assert in_table(lake, "running") == modelled(lake, "running")


@pytest.mark.parametrize("table_format", ["parquet", "iceberg"])
def test_a_model_that_has_no_row_any_more_stays(
    table_format: str, bedrock: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = LakeDestination(str(tmp_path / "lake"), table_format)
    monkeypatch.setattr(lake_model_tables, "ROWS_IN_ONE_FILE", 0)
    (own := tmp_path / "own").mkdir()
    (own / "running.sql").write_text(
        "-- dated by: submit_date\n"
        "select submit_date, invocation_arn from bedrock.async_invokes where status = 'InProgress'"
    )
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW, duration=timedelta(hours=1))
    load(lake)
    build_models(lake, own)
    assert len(modelled(lake, "running")) == 1
    bedrock.advance(timedelta(hours=2))
    for _ in range(2):
        load(lake)
        build_models(lake, own)
        assert modelled(lake, "running") == []
    build_models(lake)
    with pytest.raises(duckdb.CatalogException):
        modelled(lake, "running")


@pytest.mark.parametrize("table_format", ["parquet", "delta", "iceberg"])
def test_what_is_loaded_while_models_are_built_is_news_to_the_next_build(
    table_format: str, filled: Control, tmp_path: Path
) -> None:
    lake = LakeDestination(str(tmp_path / "lake"), table_format)
    load(lake)
    filled.advance(timedelta(hours=5))
    with lake.model_build() as tables:
        load(replace(lake, shard="1/1"))
        build_tables(tables)
    build_models(lake)
    assert len(modelled(lake, "invocations")) == len(filled.listing(ACCOUNT, REGION))


@pytest.mark.soak
def test_a_model_whose_file_is_gone_is_built_again(filled: Control, lake: LakeDestination) -> None:
    load(lake)
    build_models(lake)
    before = modelled(lake, "invocations")
    table(lake, "bedrock_analytics.invocations").catalog.drop_table("bedrock_analytics.invocations")
    shutil.rmtree(Path(lake.files.root, "bedrock_analytics", "invocations"))
    build_models(lake)
    assert modelled(lake, "invocations") == in_table(lake, "invocations") == before


def test_a_lake_on_s3_needs_a_catalog_the_first_time_alone(filled: Control, lake_url: str) -> None:
    if lake_url.startswith("s3://"):
        with pytest.raises(UsageError, match="on S3 needs --catalog: glue, or a name in"):
            load(LakeDestination(lake_url, "iceberg"))
        load(LakeDestination(lake_url, "iceberg", catalog="glue"))
    assert load(LakeDestination(lake_url, "iceberg")).exit_code == 0
