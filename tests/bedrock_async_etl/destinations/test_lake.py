"""A lake of Parquet in a folder is loaded exactly, and says in one line why it cannot be."""

import errno
import json
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dlt.common.configuration.specs import AwsCredentials
from filelock import FileLock
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations import find_destination
from bedrock_async_etl.destinations.lake import (
    LAKE_VERSION,
    MARKER,
    LakeDestination,
    model_tables,
)
from bedrock_async_etl.destinations.lake.model_files import Manifest, ModelFiles
from bedrock_async_etl.dlt_state import BUILDS_ON, settle
from bedrock_async_etl.errors import BusyError, CommandError, UsageError
from bedrock_async_etl.files.object_store import LakeFiles, LocalFiles
from bedrock_async_etl.load import load
from bedrock_async_etl.models.refresh import refresh
from bedrock_async_etl.status import read_status
from bedrock_async_invokes import Extraction, RunContext, extraction_source
from bedrock_async_invokes.errors import OptionError
from bedrock_async_invokes.options import LoadOptions
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy


@pytest.fixture
def listed(bedrock: Control) -> Control:
    bedrock.populate(ACCOUNT, REGION, 2_000, NOW - timedelta(days=3), NOW + timedelta(days=3))
    return bedrock


@pytest.fixture
def lake(database: Path) -> LakeDestination:
    return LakeDestination(str(database.with_name("lake")), "parquet")


def log_rows(lake: LakeDestination) -> int:
    with lake.connection() as connection:
        return connection.sql("from bedrock_log.async_invokes").shape[0]


@pytest.mark.slow
def test_each_invocation_is_written_when_it_is_new_and_when_it_changes(
    listed: Control, lake: LakeDestination
) -> None:
    loaded = []
    for _ in range(4):
        loaded.append(load(lake).rows_loaded)
        assert_exact_copy(lake, listed)
        listed.advance(timedelta(hours=3))
    assert log_rows(lake) == sum(loaded)
    assert load(lake).rows_loaded
    assert load(lake).rows_loaded == 0


def test_a_snapshot_reads_the_files_and_copies_no_rows(
    listed: Control, lake: LakeDestination
) -> None:
    rows = load(lake).rows_loaded
    with lake.snapshot() as snapshot:
        assert snapshot.sql("select count(*) from bedrock.async_invokes").fetchall() == [(rows,)]
        tables = snapshot.sql("select distinct schema_name from duckdb_tables()").fetchall()
    assert tables == [("bedrock_builds",)]


def test_a_range_writes_only_what_differs(listed: Control, lake: LakeDestination) -> None:
    load(lake)
    listed.advance(timedelta(hours=3))
    ranged = load(lake, {"since": NOW - timedelta(days=2), "until": NOW + timedelta(days=1)})
    assert 0 < ranged.rows_loaded < 500
    load(lake)
    assert_exact_copy(lake, listed)


def test_a_lake_that_was_deleted_gets_everything_again(
    listed: Control, lake: LakeDestination
) -> None:
    load(lake)
    shutil.rmtree(lake.files.root)
    assert load(lake).rows_loaded == len(listed.listing(ACCOUNT, REGION))
    assert_exact_copy(lake, listed)


@pytest.mark.slow
def test_models_are_built_into_the_lake_and_checked(listed: Control, lake: LakeDestination) -> None:
    load(lake)
    refreshed = refresh(lake)
    assert refreshed.exit_code == 0
    with lake.connection() as connection:
        modelled = connection.sql("from bedrock_analytics.invocations").shape[0]
    assert modelled == len(listed.listing(ACCOUNT, REGION))
    status = read_status(lake, datetime.now(UTC))
    assert [scope["last_outcome"] for scope in status.scopes] == ["ok"]
    assert status.counts["open"] == sum(
        row["status"] == "InProgress" for row in listed.listing(ACCOUNT, REGION)
    )
    assert (status.counts["vanished"], status.are_models_behind) == (0, False)


@pytest.mark.slow
@pytest.mark.parametrize("rows_in_one_file", [0, model_tables.ROWS_IN_ONE_FILE])
def test_each_file_of_invocations_is_in_the_order_of_time(
    rows_in_one_file: int,
    listed: Control,
    lake: LakeDestination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Files of one date each, or a file of all dates."""
    monkeypatch.setattr(model_tables, "ROWS_IN_ONE_FILE", rows_in_one_file)
    load(lake)
    refresh(lake)
    files = list(Path(lake.files.root).glob("bedrock_analytics/invocations/*.parquet"))
    assert (len(files) > 1) == (rows_in_one_file == 0)
    for file in files:
        times = pq.read_table(file)["submit_time"].to_pylist()
        assert times == sorted(times)


@pytest.mark.slow
def test_a_model_that_fails_leaves_the_models_of_a_lake_as_they_were(
    listed: Control, lake: LakeDestination, tmp_path: Path
) -> None:
    load(lake)
    refresh(lake)
    before = {path: path.read_bytes() for path in Path(lake.files.root).rglob("*.parquet")}
    (tmp_path / "broken.sql").write_text("select cast('x' as integer) as a")
    listed.advance(timedelta(hours=1))
    assert "broken.sql" in str(refresh(lake, tmp_path).error)
    assert {path: path.read_bytes() for path in Path(lake.files.root).rglob("*.parquet")} == before


@pytest.mark.slow
def test_files_of_rows_that_stay_the_same_are_not_written_again(
    listed: Control, lake: LakeDestination, tmp_path: Path
) -> None:
    """Neither those of dates that were built anew, nor of a model that is made on each run."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "dates.sql").write_text(
        "-- dated by: submit_date\nselect distinct submit_date from bedrock_analytics.invocations"
    )
    (own / "has_rows.sql").write_text("select count(*) > 0 as a from bedrock_analytics.invocations")

    def written(*, is_full: bool = False) -> dict[str, bool]:
        files = {name: root / name / "part-0.parquet" for name in names}
        before = {name: path.stat().st_ino for name, path in files.items() if path.exists()}
        built = {model.name: model.dates for model in refresh(lake, own, is_full=is_full).models}
        assert (built["dates"] != 0, built["has_rows"]) == (True, None)
        return {name: path.stat().st_ino != before.get(name) for name, path in files.items()}

    names, root = ("dates", "has_rows", "invocations"), Path(lake.files.root, "bedrock_analytics")
    load(lake)
    assert written() == dict.fromkeys(names, True)
    listed.submit(ACCOUNT, REGION, submit_time=NOW)
    load(lake)
    assert written() == {"dates": False, "has_rows": False, "invocations": True}
    assert written(is_full=True) == dict.fromkeys(names, True)


@pytest.mark.slow
def test_of_a_model_that_reads_all_days_the_files_of_changed_dates_are_written(
    listed: Control, lake: LakeDestination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_tables, "ROWS_IN_ONE_FILE", 0)
    (tmp_path / "days.sql").write_text(
        "-- dated by: submit_date\n-- reads back: all days\n"
        "select submit_date, count(*) as n from bedrock_analytics.invocations group by submit_date"
    )

    def files() -> dict[str, int]:
        assert refresh(lake, tmp_path).exit_code == 0
        folder = Path(lake.files.root, "bedrock_analytics", "days")
        return {path.stem: path.stat().st_ino for path in folder.iterdir()}

    load(lake)
    before = files()
    assert len(before) > 1
    listed.submit(ACCOUNT, REGION, submit_time=NOW)
    load(lake)
    after = files()
    assert [day for day in after if after[day] != before.get(day)] == [str(NOW.date())]


@pytest.mark.slow
def test_a_model_that_lost_a_file_is_written_again(listed: Control, lake: LakeDestination) -> None:
    load(lake)
    refresh(lake)
    lost = Path(lake.files.root, "bedrock_analytics", "failure_rate_daily", "part-0.parquet")
    rows = lost.read_bytes()
    lost.unlink()
    assert refresh(lake).exit_code == 0
    assert lost.read_bytes() == rows


@pytest.mark.slow
def test_columns_that_are_called_otherwise_are_news(
    listed: Control, lake: LakeDestination, tmp_path: Path
) -> None:
    """Of a model of files that the build does not know, with the same values as before."""
    own, prices = tmp_path / "own", tmp_path / "prices.csv"
    own.mkdir()
    (own / "prices.sql").write_text(f"from read_csv('{prices}')")
    load(lake)
    for name in ("price", "price_usd"):
        prices.write_text(f"{name}\n1\n")
        assert refresh(lake, own).exit_code == 0
        with lake.connection() as connection:
            assert connection.sql("from bedrock_analytics.prices").columns == [name]


def test_a_full_disk_is_told_in_one_line_and_loses_nothing(
    listed: Control, lake: LakeDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("shutil.copyfile", full)
        disk.setenv("LOAD__RAISE_ON_MAX_RETRIES", "1")
        with pytest.raises(CommandError, match=r"^Cannot use \S+/lake: no space is left\. [^\n]+$"):
            load(lake)
    load(lake)
    assert_exact_copy(lake, listed)


def test_one_run_at_a_time_holds_a_lake(lake: LakeDestination) -> None:
    with lake.locked(), FileLock(Path(lake.files.root, ".bedrock_async_etl_1_of_2.lock")):
        with pytest.raises(BusyError):
            other_process_locks(lake)
        with pytest.raises(BusyError):
            other_process_locks(LakeDestination(lake.url, "parquet", "1/2"))
        other_process_locks(LakeDestination(lake.url, "parquet", "2/2"))


def other_process_locks(lake: LakeDestination) -> None:
    """Within one process a lock may be held twice."""
    lock = FileLock(lake.lock_path())
    try:
        lock.acquire(timeout=0)
    except TimeoutError:
        raise BusyError from None
    lock.release()


@pytest.mark.parametrize(
    ("kind", "package", "extra"),
    [("delta", "deltalake", "lake"), ("iceberg", "pyiceberg", "iceberg")],
)
def test_without_its_extra_a_lake_is_not_made(
    kind: str, package: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    place = tmp_path / "lake"
    with pytest.raises(CommandError, match=f"--destination {kind} needs the extra `{extra}`"):
        load(find_destination(lake=str(place), destination=kind))
    assert not (place / MARKER).exists()


@pytest.mark.parametrize("is_there", [False, True])
def test_a_working_directory_without_a_place_for_the_lock_of_a_bucket_is_named(
    is_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket is not what is wrong."""
    lake, folder = LakeDestination("s3://bucket/lake", wait="0s"), tmp_path / "working"
    vars(lake)["files"] = LakeFiles(lake.url, "bucket/lake", LocalFiles(), AwsCredentials())
    monkeypatch.setenv("DLT_DATA_DIR", str(folder))
    if is_there:
        lake.lock_path().mkdir()
    else:
        folder.touch()
    remedy = f"^Cannot use dlt's working directory {folder}: .*DLT_DATA_DIR"
    with pytest.raises(CommandError, match=remedy), lake.locked():
        pass


@pytest.mark.parametrize("version", [1, 3])
def test_what_another_version_knew_of_its_models_is_not_taken_for_ours(
    version: int, lake: LakeDestination
) -> None:
    manifest = {"version": version, "files": ["incidents/part-0.parquet"]}
    folder = Path(lake.files.root, "bedrock_analytics")
    folder.mkdir(parents=True)
    (folder / "_manifest.json").write_text(json.dumps(manifest))
    assert ModelFiles(lake.files).read_manifest() == Manifest()


def test_a_folder_with_other_files_is_no_lake(lake: LakeDestination) -> None:
    Path(lake.files.root).mkdir()
    Path(lake.files.root, "holiday.jpg").touch()
    with pytest.raises(CommandError, match=r"is not a lake, and not empty: it has holiday\.jpg"):
        load(lake)
    with pytest.raises(CommandError, match=r"is not a lake: load it first with `run`\."):
        lake.existing()


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        (
            {"version": LAKE_VERSION + 1, "table_format": "parquet"},
            "written by a newer version of ",
        ),
        ({"version": 1, "table_format": "delta"}, "is a lake of delta: use --destination delta"),
        ({"version": 1, "table_format": "hudi"}, "written by a newer version of bedrock-async-etl"),
        ([], "is damaged: restore it"),
    ],
)
def test_a_lake_of_another_kind_is_left_alone(
    marker: Any, told: str, bedrock: Control, lake: LakeDestination
) -> None:
    Path(lake.files.root).mkdir()
    Path(lake.files.root, MARKER).write_text(json.dumps(marker))
    with pytest.raises(CommandError, match=told):
        load(lake)


@pytest.mark.parametrize("kind", [None, "parquet"])
def test_a_catalog_is_for_a_lake_of_iceberg(kind: str | None, lake: LakeDestination) -> None:
    with pytest.raises(UsageError, match="--catalog goes with --destination iceberg"):
        load(replace(lake, table_format=kind, catalog="glue"))
    assert not Path(lake.files.root, MARKER).exists()


def test_a_lake_of_an_earlier_version_is_kept_from_it_once_it_is_written_to(
    listed: Control, lake: LakeDestination
) -> None:
    load(lake)
    mark = Path(lake.files.root, MARKER)
    today = mark.read_text()
    mark.write_text(json.dumps(json.loads(today) | {"version": LAKE_VERSION - 1}))
    load(lake)
    assert mark.read_text() == today


def test_a_lake_that_a_newer_dlt_wrote_is_left_alone(
    listed: Control, lake: LakeDestination
) -> None:
    load(lake)
    newer = '{"initial_version": 99, "current_version": 99}'
    Path(lake.files.root, "bedrock", "init").write_text(newer)
    listed.advance(timedelta(hours=3))
    with pytest.raises(CommandError, match=r"was written by a newer version of dlt: upgrade dlt\."):
        load(lake)


def test_a_flag_for_the_database_wins_over_a_lake_that_is_configured(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__LAKE", "configured")
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__DESTINATION", "parquet")
    done = CliRunner().invoke(app, ["run", "--no-models", "--database", str(database)])
    assert done.exit_code == 0
    assert database.exists()
    assert not database.with_name("configured").exists()
    assert CliRunner().invoke(app, ["status", "--database", str(database)]).exit_code == 0


def test_a_lake_that_is_given_wins_over_a_database_that_is_configured(
    lake: LakeDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kind is the database's; one that goes with a lake counts."""
    for kind, table_format in (("duckdb", None), ("delta", "delta")):
        monkeypatch.setenv("BEDROCK_ASYNC_ETL__DESTINATION", kind)
        assert find_destination(lake=lake.url) == replace(lake, table_format=table_format)


def test_a_database_and_a_lake_are_refused(database: Path) -> None:
    command = ["run", "--no-models", "--database", str(database), "--lake", "lake"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert "--database and --lake are two destinations: give one of them." in done.output


def test_what_a_killed_run_had_read_is_told_when_it_is_loaded(
    listed: Control, lake: LakeDestination
) -> None:
    load(lake)
    listed.advance(timedelta(hours=9))
    with lake.load_session() as session, Extraction(RunContext(LoadOptions())) as extraction:
        settled = settle(session.pipeline, session.destination.working_directory, session.writing)
        settled.pipeline.set_local_state_val(BUILDS_ON, settled.version)
        settled.pipeline.extract(session.with_write_hints(extraction_source(extraction)))
    result = load(lake)
    assert (result.rows_recovered > 50, result.rows_loaded) == (True, 0)
    assert_exact_copy(lake, listed)
    assert load(lake).rows_recovered == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"lake": "s3:/a/b"}, "is neither a folder nor s3://BUCKET/PATH"),
        ({"lake": "S3://a/b"}, "is neither a folder nor s3://BUCKET/PATH"),
        ({"lake": __file__}, "is a file, not a lake: is it one for --database"),
        ({"destination": "delta"}, "--destination delta needs --lake"),
        (
            {"destination": "duckdb", "lake": "a"},
            "--lake goes with --destination delta, iceberg or parquet",
        ),
        ({"lake": "gs://a/b"}, "is neither a folder nor s3://BUCKET/PATH"),
        ({"lake": "a", "shard": "5/4"}, "Not a shard: '5/4'"),
        ({"lake": "a", "compact_after": -1}, "compact_after must be 0 or more, not -1"),
    ],
)
def test_options_that_do_not_go_together_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises((UsageError, OptionError), match=told):
        find_destination(**options).locked().__enter__()
