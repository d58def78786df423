"""An export has the rows and models in types that other engines read; only changes are written."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import BusyError, CommandError, UsageError
from bedrock_async_etl.export.export import ExportResult, export, export_between_runs
from bedrock_async_etl.export.readers import export_relations, statements
from bedrock_async_etl.files import parquet
from bedrock_async_etl.files.parquet import exported_type
from bedrock_async_etl.models.sql_files import read_models
from tests.bedrock_async_etl.copies import invocation, modelled, store
from tests.builds import build_models
from tests.sql.given import make_database

NO_DATE = "submit_date=__HIVE_DEFAULT_PARTITION__"
MARCH_1, MARCH_2 = "submit_date=2026-03-01", "submit_date=2026-03-02"
ROWS = """
create schema bedrock;
create table bedrock.async_invokes as
select
    'arn-' || number as invocation_arn,
    timestamptz '2026-03-01 23:00:00+00' + to_hours(number) as submit_time,
    cast(submit_time at time zone 'UTC' as date) as submit_date,
    timestamptz '2026-03-05 12:00:00+00' as observed_at
from range(4) as numbers (number)
union all
select 'arn-null', null, null, timestamptz '2026-03-05 12:00:00+00';
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """One row on March 1, three on March 2, one without a submit_time; no models."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'Asia/Kolkata'")
        connection.execute(ROWS)
        yield connection


@pytest.fixture
def copy(tmp_path: Path) -> DuckDBDestination:
    """30 invocations of March 29, and one of March 31 that is open; with models."""
    rows = [invocation(f"a{number}", timedelta(days=2)) for number in range(30)]
    return modelled(
        tmp_path / "copy.duckdb", [*rows, invocation("open", timedelta(seconds=10), None)]
    )


def run_later(copy: DuckDBDestination, time: str = "1 minute") -> None:
    """A run that finds nothing, so long after the last one."""
    with copy.connect(read_only=False) as connection:
        connection.execute(
            "update bedrock.extract_runs set finished_at = finished_at + "
            f"interval '{time}', rows_new = 0, rows_changed = 0, vanished = 0"
        )
    build_models(copy)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "new" / "export")


def add_model(connection: duckdb.DuckDBPyConnection, name: str, select: str) -> None:
    connection.execute("create schema if not exists bedrock_analytics")
    connection.execute(f"create or replace table bedrock_analytics.{name} as {select}")


def contents(url: str) -> dict[str, bytes]:
    return {
        str(path.relative_to(url)): path.read_bytes()
        for path in Path(url).rglob("*")
        if path.is_file()
    }


def written(result: ExportResult) -> list[str]:
    return [partition.folder for table in result.tables for partition in table.written]


def removed(result: ExportResult) -> list[str]:
    return [folder for table in result.tables for folder in table.removed]


def test_rows_are_in_one_file_per_date_by_time(
    connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    export(connection, url)
    assert sorted(contents(url)) == [
        "_manifest.json",
        f"async_invokes/{MARCH_1}/part-0.parquet",
        f"async_invokes/{MARCH_2}/part-0.parquet",
        f"async_invokes/{NO_DATE}/part-0.parquet",
    ]
    files = (
        f"read_parquet('{url}/async_invokes/*/*.parquet', hive_partitioning = true, "
        "hive_types = {'submit_date': date})"
    )
    rows = connection.execute(f"select * from {files} order by all").fetchall()
    columns = "invocation_arn, submit_time, observed_at, submit_date"
    stored = f"select {columns} from bedrock.async_invokes order by all"
    assert rows == connection.execute(stored).fetchall()
    table = pq.ParquetFile(f"{url}/async_invokes/{MARCH_2}/part-0.parquet")
    assert table.read()["invocation_arn"].to_pylist() == ["arn-1", "arn-2", "arn-3"]
    group = table.metadata.row_group(0)
    assert {group.column(at).compression for at in range(group.num_columns)} == {"ZSTD"}
    assert group.column(1).statistics.min == datetime(2026, 3, 2, 0, tzinfo=UTC)


def test_every_model_is_exported_and_invocations_by_date(tmp_path: Path, url: str) -> None:
    destination = DuckDBDestination(make_database(tmp_path / "given.duckdb", "some are still open"))
    models = {model.name: model.rows for model in build_models(destination)}
    with duckdb.connect(destination.database) as connection:
        result = export(connection, url)
    assert {table.name: table.rows for table in result.tables} == models | {"async_invokes": 6}
    for name, rows in models.items():
        files = "*/*.parquet" if name == "invocations" else "part-0.parquet"
        [(count,)] = duckdb.execute(f"select count(*) from '{url}/{name}/{files}'").fetchall()
        assert count == rows


@pytest.mark.parametrize(
    ("value", "kind", "physical", "expected"),
    [
        ("1::utinyint", "SMALLINT", "int16", 1),
        ("1::uinteger", "BIGINT", "int64", 1),
        ("1::hugeint", "BIGINT", "int64", 1),
        ("sum(1)", "BIGINT", "int64", 1),
        ("1.5::decimal(9, 2)", "DECIMAL(9,2)", "decimal128(9, 2)", None),
        ("1.5::double", "DOUBLE", "double", 1.5),
        ("true", "BOOLEAN", "bool", True),
        ("date '2026-03-01'", "DATE", "date32[day]", date(2026, 3, 1)),
        (
            "timestamp_ns '2026-03-01 00:00:00.123456'",
            "TIMESTAMP WITH TIME ZONE",
            "timestamp[us, tz=UTC]",
            datetime(2026, 3, 1, 0, 0, 0, 123456, UTC),
        ),
        (
            "timestamptz '2026-03-01 00:00:00+01'",
            "TIMESTAMP WITH TIME ZONE",
            "timestamp[us, tz=UTC]",
            datetime(2026, 2, 28, 23, tzinfo=UTC),
        ),
        ("{'a': [1]}", "VARCHAR", "string", '{"a":[1]}'),
        ("[1.5::decimal(9, 2)]", "VARCHAR", "string", "[1.5]"),
        ("interval 1 day", "VARCHAR", "string", "1 day"),
    ],
)
def test_types_are_those_that_other_engines_have(
    value: str,
    kind: str,
    physical: str,
    expected: object,
    connection: duckdb.DuckDBPyConnection,
    url: str,
) -> None:
    add_model(connection, "mine", f"select {value} as value")
    result = export(connection, url)
    assert result.manifest.tables["mine"].columns == {"value": kind}
    column = pq.read_table(f"{url}/mine/part-0.parquet")["value"]
    assert str(column.type) == physical
    assert expected is None or column.to_pylist() == [expected]


def test_a_decimal_that_is_a_list_is_text() -> None:
    assert exported_type("DECIMAL(9,2)[]") == "VARCHAR"


def test_only_dates_that_changed_are_written_again(
    connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    export(connection, url)
    before = contents(url)
    connection.execute(
        "update bedrock.async_invokes set observed_at = observed_at + interval 1 hour "
        "where invocation_arn = 'arn-2'"
    )
    result = export(connection, url)
    assert written(result) == [f"async_invokes/{MARCH_2}"]
    changed = {name for name, content in contents(url).items() if content != before[name]}
    assert changed == {"_manifest.json", f"async_invokes/{MARCH_2}/part-0.parquet"}
    assert written(export(connection, url)) == []


def test_a_date_whose_rows_are_gone_is_removed(
    connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    export(connection, url)
    connection.execute("delete from bedrock.async_invokes where submit_date is null")
    assert removed(export(connection, url)) == [f"async_invokes/{NO_DATE}"]
    assert not Path(url, "async_invokes", NO_DATE).exists()
    assert "HIVE_DEFAULT" not in Path(url, "_manifest.json").read_text()


def test_the_order_of_rows_and_the_time_zone_are_no_change(
    connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    add_model(connection, "mine", "from bedrock.async_invokes order by submit_time")
    export(connection, url)
    add_model(connection, "mine", "from bedrock.async_invokes order by submit_time desc")
    connection.execute("set TimeZone = 'America/New_York'")
    assert written(export(connection, url)) == []


@pytest.mark.parametrize(
    "change",
    [
        "select 'a' as one, 'b' as two, 2.0::double as three",
        "select 'ab' as one, '' as two, 1.0::double as three",
        "select 'a' as one, null as two, 1.0::double as three",
        "select 'a' as one, 'b' as other, 1.0::double as three",
        "select 'a' as one, 'b' as two, 1.0::float as three",
        "select 'a' as one, 'b' as two, 1.0::double as three from range(2)",
        "select 'a' as one, 'b' as two, 1.0::double as three from range(0)",
    ],
)
def test_any_change_of_a_models_rows_or_columns_is_seen(
    change: str, connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    add_model(connection, "mine", "select 'a' as one, 'b' as two, 1.0::double as three")
    export(connection, url)
    add_model(connection, "mine", change)
    assert written(export(connection, url)) == ["mine"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("'' as one", "cast(null as varchar) as one"),
        ("'a' as one from range(2)", "'b' as one from range(2)"),
    ],
)
def test_no_two_values_are_taken_for_one_another_and_no_two_rows_cancel_out(
    before: str, after: str, connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    add_model(connection, "mine", f"select {before}")
    export(connection, url)
    add_model(connection, "mine", f"select {after}")
    assert written(export(connection, url)) == ["mine"]


def test_a_file_that_is_gone_or_cut_is_written_again(
    connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    export(connection, url)
    Path(url, "async_invokes", MARCH_1, "part-0.parquet").unlink()
    Path(url, "async_invokes", MARCH_2, "part-0.parquet").write_bytes(b"PAR1")
    before = [f"async_invokes/{MARCH_1}", f"async_invokes/{MARCH_2}"]
    assert written(export(connection, url)) == before


def test_a_model_that_is_gone_is_removed(connection: duckdb.DuckDBPyConnection, url: str) -> None:
    add_model(connection, "mine", "select 1 as one")
    assert export(connection, url).has_models
    connection.execute("drop schema bedrock_analytics cascade")
    result = export(connection, url)
    assert (removed(result), result.has_models) == (["mine"], False)
    assert not Path(url, "mine").exists()


def test_a_dry_run_says_what_it_would_do_and_touches_nothing(
    connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    dry = export(connection, url, dry_run=True)
    assert not Path(url).exists()
    assert written(dry) == written(export(connection, url))
    before = contents(url)
    connection.execute("delete from bedrock.async_invokes where submit_date is null")
    connection.execute(
        "update bedrock.async_invokes set observed_at = now() where invocation_arn = 'arn-0'"
    )
    dry = export(connection, url, dry_run=True)
    assert contents(url) == before
    assert (written(dry), removed(dry)) == (
        [f"async_invokes/{MARCH_1}"],
        [f"async_invokes/{NO_DATE}"],
    )


def test_a_large_date_is_cut_into_parts_by_time(
    connection: duckdb.DuckDBPyConnection, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROWS_PER_FILE", 2)
    result = export(connection, url)
    parts = [
        pq.read_table(f"{url}/async_invokes/{MARCH_2}/part-{part}.parquet", partitioning=None)
        for part in (0, 1)
    ]
    arns = [part["invocation_arn"].to_pylist() for part in parts]
    assert arns == [["arn-1", "arn-2"], ["arn-3"]]
    [partition] = [each for each in result.tables[0].written if each.rows == 3]
    assert [file.rows for file in partition.files] == [2, 1]
    monkeypatch.undo()
    connection.execute("delete from bedrock.async_invokes where invocation_arn = 'arn-3'")
    export(connection, url)
    assert [path.name for path in Path(url, "async_invokes", MARCH_2).iterdir()] == [
        "part-0.parquet"
    ]


@pytest.mark.parametrize("table", ["async_invokes", "mine"])
def test_parts_have_each_row_once_whatever_the_ties(
    table: str, connection: duckdb.DuckDBPyConnection, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROWS_PER_FILE", 30_000)
    connection.execute(
        "create or replace table bedrock.async_invokes as select 'arn-' || number as "
        "invocation_arn, timestamptz '2026-03-01 12:00:00+00' as submit_time, "
        "date '2026-03-01' as submit_date, submit_time as observed_at "
        "from range(200_000) as numbers (number)"
    )
    add_model(
        connection,
        "mine",
        "select hash(invocation_arn) % 1000 as one, invocation_arn from bedrock.async_invokes",
    )
    export(connection, url)
    files = f"read_parquet('{url}/{table}/**/part-*.parquet', filename = true)"
    distinct = "count(distinct invocation_arn), count(distinct filename)"
    counts = f"select count(*), {distinct} from {files}"
    assert connection.execute(counts).fetchall() == [(200_000, 200_000, 7)]


def test_the_manifest_names_tables_columns_files_and_bytes(
    connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    export(connection, url)
    manifest = json.loads(Path(url, "_manifest.json").read_bytes())
    assert manifest["format"] == 1
    assert datetime.fromisoformat(manifest["exported_at"]) <= datetime.now(UTC)
    table = manifest["tables"]["async_invokes"]
    assert table["columns"] == {
        "invocation_arn": "VARCHAR",
        "submit_time": "TIMESTAMP WITH TIME ZONE",
        "observed_at": "TIMESTAMP WITH TIME ZONE",
    }
    assert table["partitioned_by"] == "submit_date"
    files = {file["path"]: file for each in table["partitions"] for file in each["files"]}
    sizes = {name: len(content) for name, content in contents(url).items()}
    del sizes["_manifest.json"]
    assert {name: file["bytes"] for name, file in files.items()} == sizes
    assert sorted(file["rows"] for file in files.values()) == [1, 1, 3]


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ('{"format": 2}', "by a newer version .format 2, this one knows 1.: upgrade"),
        ("[]", "is not the manifest of an export"),
        ('{"format": 1}', "is not the manifest of an export"),
    ],
)
def test_a_manifest_that_is_newer_or_none_is_refused(
    manifest: str, told: str, connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    Path(url).mkdir(parents=True)
    Path(url, "_manifest.json").write_text(manifest)
    with pytest.raises(CommandError, match=told):
        export(connection, url)
    assert contents(url) == {"_manifest.json": manifest.encode()}


def test_a_folder_with_other_files_is_refused(
    connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    Path(url).mkdir(parents=True)
    Path(url, "thesis.txt").write_text("mine")
    with pytest.raises(CommandError, match=r"has other files in it \(thesis.txt, for instance\)"):
        export(connection, url)
    assert contents(url) == {"thesis.txt": b"mine"}


@pytest.mark.parametrize("url", ["gs://bucket/prefix", "s3://", "s3:///prefix", ""])
def test_a_url_that_is_neither_a_folder_nor_s3_is_wrong_usage(
    url: str, connection: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(UsageError, match="is neither a folder nor s3://BUCKET/PATH"):
        export(connection, url)


def test_a_file_in_the_way_is_told(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for url in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CommandError, match="file"):
            export(connection, str(url))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ['"async_invokes"', '"_hidden"', '"a/b"'])
def test_a_model_whose_name_cannot_be_a_folder_is_told(
    name: str, connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    add_model(connection, name, "select 1 as one")
    with pytest.raises(CommandError, match="cannot be exported under that name"):
        export(connection, url)


@pytest.mark.slow
def test_runs_without_news_leave_an_export_as_it_is(copy: DuckDBDestination, url: str) -> None:
    """Though the age of what is open moves with each, and more."""
    export_between_runs(copy, url)
    before = contents(url)
    run_later(copy)
    with copy.connect(read_only=True) as connection:
        moved = written(export(connection, url, dry_run=True))
    assert {"open_invocations", "load_freshness", "scopes"} <= set(moved)
    result = export_between_runs(copy, url)
    assert contents(url) == before
    assert (written(result), removed(result), result.is_first) == ([], [], False)
    assert {table.name: table.rows for table in result.tables} == {
        name: sum(partition.rows for partition in entry.partitions)
        for name, entry in result.manifest.tables.items()
    }
    assert result.has_models


@pytest.mark.slow
def test_with_news_an_export_has_what_has_moved_as_well(copy: DuckDBDestination, url: str) -> None:
    export_between_runs(copy, url)
    with copy.connect(read_only=False) as connection:
        connection.execute(
            "update bedrock.async_invokes set observed_at = observed_at + interval 1 second, "
            "failure_message = 'No.' where submit_date = date '2026-03-29'"
        )
    run_later(copy)
    found = written(export_between_runs(copy, url))
    dated = [f"{table}/submit_date=2026-03-29" for table in ("async_invokes", "invocations")]
    assert [folder for folder in found if "=" in folder] == dated
    assert "open_invocations" in found
    assert written(export_between_runs(copy, url)) == []


def test_nothing_is_copied_where_nothing_is_new(
    copy: DuckDBDestination, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_between_runs(copy, url)
    monkeypatch.setattr(tempfile, "tempdir", f"{url}/missing")
    assert written(export_between_runs(copy, url)) == []
    run_later(copy, "1 day")
    with pytest.raises(OSError, match="missing"):
        export_between_runs(copy, url)


def test_an_export_waits_for_a_run_to_end_though_nothing_may_be_new(
    copy: DuckDBDestination, url: str
) -> None:
    export_between_runs(copy, url)
    with FileLock(copy.lock_path()), pytest.raises(BusyError):
        export_between_runs(replace(copy, wait="0s"), url)


def test_a_file_that_is_gone_is_written_again_without_news(
    copy: DuckDBDestination, url: str
) -> None:
    export_between_runs(copy, url)
    Path(url, "scopes", "part-0.parquet").unlink()
    Path(url, "invocations", "submit_date=2026-03-29", "part-0.parquet").write_bytes(b"PAR1")
    folders = ["invocations/submit_date=2026-03-29", "scopes"]
    assert written(export_between_runs(copy, url, dry_run=True)) == folders
    assert written(export_between_runs(copy, url)) == folders
    assert written(export_between_runs(copy, url)) == []


def test_an_export_of_an_older_version_is_written_anew(copy: DuckDBDestination, url: str) -> None:
    """It knew no content, and had other fingerprints."""
    first = export_between_runs(copy, url)
    path = Path(url, "_manifest.json")
    manifest = json.loads(path.read_bytes())
    del manifest["content"]
    for table in manifest["tables"].values():
        for partition in table["partitions"]:
            partition["fingerprint"] = "2-1772712000000000-1234"
    path.write_text(json.dumps(manifest))
    assert written(export_between_runs(copy, url)) == written(first)
    assert json.loads(path.read_bytes())["content"] == first.manifest.content


def test_fingerprints_are_those_that_the_build_has_kept(copy: DuckDBDestination, url: str) -> None:
    with copy.connect(read_only=False) as connection:
        connection.execute("update bedrock_builds.fingerprints set fingerprint = 'kept ' || day")
        result = export(connection, url)
        kept = connection.sql(
            "select 'invocations/submit_date=' || day, rows, fingerprint "
            "from bedrock_builds.fingerprints "
            "where table_name = 'bedrock_analytics.invocations' order by day"
        ).fetchall()
    found = result.manifest.tables["invocations"].partitions
    assert [(each.folder, each.rows, each.fingerprint) for each in found] == kept


def test_without_models_what_is_loaded_is_compared_each_time(tmp_path: Path, url: str) -> None:
    copy = store(tmp_path / "loaded.duckdb", [invocation("a", timedelta(hours=1))])
    export_between_runs(copy, url)
    assert written(export_between_runs(copy, url)) == []
    with copy.connect(read_only=False) as connection:
        connection.execute("update bedrock.async_invokes set observed_at = now()")
    assert len(written(export_between_runs(copy, url))) == 1


def test_what_was_kept_of_other_rows_is_no_fingerprint(copy: DuckDBDestination, url: str) -> None:
    """Somebody has changed tables since the build."""
    with copy.connect(read_only=False) as connection:
        export(connection, url)
        connection.execute("delete from bedrock_analytics.failure_rate_daily")
        connection.execute(
            "update bedrock_analytics.invocations set submit_date = date '2026-03-30' "
            "where invocation_arn like '%a7'"
        )
        found = written(export(connection, url))
    assert "failure_rate_daily" in found
    assert "invocations/submit_date=2026-03-30" in found


def test_a_model_of_the_users_may_have_other_dates_than_its_partitions(
    copy: DuckDBDestination, url: str, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    shipped = next(model for model in read_models() if model.name == "invocations")
    text = shipped.text.replace("-- dated by: submit_date\n", "")
    (own / "invocations.sql").write_text(text)
    build_models(copy, own)
    result = export_between_runs(copy, url)
    assert [each.rows for each in result.manifest.tables["invocations"].partitions] == [30, 1]
    assert written(export_between_runs(copy, url)) == []


def test_a_value_that_does_not_fit_is_told_and_the_last_export_stays(
    connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    add_model(connection, "mine", "select 1::hugeint as one")
    export(connection, url)
    before = contents(url)
    add_model(connection, "mine", "select 170141183460469231731687303715884105727 as one")
    with pytest.raises(CommandError, match="The export failed: Conversion Error"):
        export(connection, url)
    assert contents(url) == before
    assert connection.sql("select 1").fetchall() == [(1,)]


def test_a_database_without_rows_is_told(url: str) -> None:
    with (
        duckdb.connect() as connection,
        pytest.raises(CommandError, match=r"no table bedrock.async_invokes yet: load it first"),
    ):
        export(connection, url)
    assert not Path(url).exists()


def test_the_statements_for_duckdb_run(connection: duckdb.DuckDBPyConnection, url: str) -> None:
    add_model(connection, "mine", "select 1 as one")
    text = statements(export_relations(export(connection, url).manifest, f"{url}/"))
    with duckdb.connect() as reader:
        reader.execute(text.partition("-- Spark")[0])
        counts = "select (select count(*) from async_invokes), (select count(*) from mine)"
        assert reader.sql(counts).fetchall() == [(5, 1)]
    assert "LOCATION 's3://BUCKET/PATH/mine/';" in text


def test_the_statement_for_athena_names_columns_partitions_and_place(
    connection: duckdb.DuckDBPyConnection, url: str
) -> None:
    text = statements(export_relations(export(connection, url).manifest, "s3://lake/bedrock"))
    columns = (
        "    `invocation_arn` string,\n    `submit_time` timestamp,\n    `observed_at` timestamp\n"
    )
    assert text.partition("-- Athena\n")[2].partition("\n\n-- Trino")[0] == (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `async_invokes_dated` (\n{columns})\n"
        "PARTITIONED BY (`submit_date` date)\n"
        "STORED AS PARQUET\n"
        "LOCATION 's3://lake/bedrock/async_invokes/'\n"
        "TBLPROPERTIES (\n"
        "    'projection.enabled' = 'true',\n"
        "    'projection.submit_date.type' = 'date',\n"
        "    'projection.submit_date.format' = 'yyyy-MM-dd',\n"
        "    'projection.submit_date.range' = '2024-01-01,NOW+1DAYS',\n"
        "    'storage.location.template' = "
        "'s3://lake/bedrock/async_invokes/submit_date=${submit_date}/'\n"
        ");\n"
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `async_invokes_undated` (\n{columns})\n"
        "STORED AS PARQUET\n"
        "LOCATION 's3://lake/bedrock/async_invokes/submit_date=__HIVE_DEFAULT_PARTITION__/';\n"
        "CREATE OR REPLACE VIEW async_invokes AS\n"
        'SELECT "invocation_arn", "submit_time", "observed_at", submit_date '
        "FROM async_invokes_dated\nUNION ALL\n"
        'SELECT "invocation_arn", "submit_time", "observed_at", CAST(NULL AS date) '
        "FROM async_invokes_undated;"
    )
    assert (
        "using parquet options (path 's3a://lake/bedrock/async_invokes', mergeSchema 'true');"
        in text
    )


@pytest.mark.slow
def test_the_command_tells_what_it_did(tmp_path: Path, url: str) -> None:
    database = str(make_database(tmp_path / "given.duckdb", "some are still open"))
    command = ["export", url, "--database", database]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0
    assert f"Wrote 1 partition with 6 rows to {url}" in first.stdout
    assert "There are no models" in first.stderr
    assert (
        f"create or replace view async_invokes as from read_parquet('{url}/async_invokes"
        in first.stdout
    )
    assert "CREATE EXTERNAL TABLE IF NOT EXISTS `async_invokes_dated`" in first.stdout
    build_models(DuckDBDestination(Path(database)))
    dry = CliRunner().invoke(app, [*command, "--dry-run", "--readers"])
    assert "Nothing was touched." in dry.stdout
    assert f"from read_parquet('{url}/invocations/*/*.parquet', hive_partitioning" in dry.stdout
    document = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert (document["exit_code"], document["dry_run"], document["has_models"]) == (0, False, True)
    rows = {table["name"]: table["rows"] for table in document["tables"]}
    assert (rows["async_invokes"], rows["invocations"]) == (6, 6)
    again = CliRunner().invoke(app, command)
    assert "Wrote 0 partitions with 0 rows" in again.stdout
    assert "CREATE" not in again.stdout


def test_wrong_usage_of_the_command_is_exit_code_2(tmp_path: Path) -> None:
    database = str(make_database(tmp_path / "given.duckdb", "some are still open"))
    result = CliRunner().invoke(app, ["export", "gs://bucket", "--database", database])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: 'gs://bucket' is neither a folder nor s3://")
