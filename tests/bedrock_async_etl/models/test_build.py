"""Models are built all or none, in the order that they need, and say what they are."""

import shutil
from pathlib import Path

import duckdb
import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.models.sql_files import read_file
from tests.builds import build_models
from tests.copies import assert_built_alike_by_hand, modelled_rows, query
from tests.scenarios import Scenarios
from tests.sql.given import make_database

UNDESCRIBED = """
select table_name, '' as column_name
from duckdb_tables()
where schema_name = 'bedrock_analytics' and coalesce(comment, '') = ''
union all
select table_name, column_name
from duckdb_columns()
where schema_name = 'bedrock_analytics' and coalesce(comment, '') = ''
"""


@pytest.fixture
def destination(tmp_path: Path) -> DuckDBDestination:
    return DuckDBDestination(make_database(tmp_path / "given.duckdb", "some are still open"))


@pytest.fixture
def built(scenarios: Scenarios, tmp_path: Path) -> DuckDBDestination:
    """The same with its models."""
    return DuckDBDestination(Path(shutil.copy(scenarios("some are still open"), tmp_path)))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def test_every_model_and_column_is_described_in_the_database(
    destination: DuckDBDestination,
) -> None:
    built = build_models(destination)
    assert query(destination.database, UNDESCRIBED) == []
    comment = "select comment from duckdb_columns() where table_name = 'failure_rate_hourly'"
    assert query(destination.database, f"{comment} and column_name = 'failure_rate'") == [
        ("failed / (completed + failed); null where both are 0",)
    ]
    assert [model.name for model in built if model.name == "invocations"]


def test_building_again_gives_the_same(built: DuckDBDestination) -> None:
    first = modelled_rows(built.database)
    build_models(built)
    assert modelled_rows(built.database) == first


def test_a_model_of_ones_own_may_use_the_others_and_take_the_place_of_one(
    destination: DuckDBDestination, own: Path
) -> None:
    (own / "worst.sql").write_text(
        "-- One row per model.\nfrom bedrock_analytics.slow select max(seconds) as seconds;\n"
    )
    (own / "slow.sql").write_text(
        "select latency_seconds as seconds from bedrock_analytics.invocations\n"
    )
    (own / "scope_days.sql").write_text(
        "select null::varchar as account_id, null::varchar as region, null::date as submit_date, "
        "0 as invocations, "
        "null::timestamptz as last_observed_at where false"
    )
    build_models(destination, own)
    assert query(destination.database, "from bedrock_analytics.worst") == [(600.0,)]
    assert query(destination.database, "select count(*) from bedrock_analytics.scope_days") == [
        (0,)
    ]


def test_a_model_may_read_other_tables_of_the_database(
    destination: DuckDBDestination, own: Path
) -> None:
    with duckdb.connect(destination.database) as connection:
        connection.execute("create table quotas as select 20 as quota")
    (own / "headroom.sql").write_text("with quotas as (from main.quotas) from quotas")
    (own / "more.sql").write_text("select quota + 1 as quota from quotas")
    build_models(destination, own)
    assert query(destination.database, "from bedrock_analytics.more") == [(21,)]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select 1 as a,\n  from where", "wrong.sql, line 2: "),
        ("select 'open", "wrong.sql: "),
        ("select 1; select 2", "wrong.sql has to be one SELECT and nothing else."),
        ("drop schema bedrock cascade", "wrong.sql has to be one SELECT and nothing else."),
        ("", "wrong.sql has to be one SELECT and nothing else."),
        (
            "-- Nothing.\nselect 1 as a,\n    no_such_column\nfrom bedrock_analytics.invocations",
            "wrong.sql, line 3: Binder Error: ",
        ),
        ("select 1\n\nas a, cast('x' as integer) as b", "wrong.sql, line 3: Conversion Error: "),
        ("from bedrock_analytics.nope", "wrong.sql reads bedrock_analytics.nope, which is not"),
        ("from invocations", "Models are called bedrock_analytics.NAME."),
        ("from bedrock_analytics.wrong", "circle: .*wrong.sql reads .*wrong.sql."),
        ("from bedrock.nope", "wrong.sql reads bedrock.nope, which is not there."),
        ("\n\nselect no_such", "wrong.sql, line 3: Binder Error: "),
    ],
)
def test_a_model_that_fails_leaves_the_others_and_names_its_place(
    sql: str, told: str, built: DuckDBDestination, own: Path
) -> None:
    before = modelled_rows(built.database)
    with duckdb.connect(built.database) as connection:
        connection.execute("delete from bedrock.async_invokes")
    (own / "wrong.sql").write_text(sql)
    with pytest.raises(CommandError, match=told):
        build_models(built, own)
    assert modelled_rows(built.database) == before


def test_a_circle_names_its_files(destination: DuckDBDestination, own: Path) -> None:
    (own / "hen.sql").write_text("from bedrock_analytics.egg")
    (own / "egg.sql").write_text("from bedrock_analytics.hen")
    with pytest.raises(CommandError, match=r"circle: \S+(hen|egg).sql reads \S+(hen|egg).sql"):
        build_models(destination, own)


def test_two_files_of_one_name_are_refused(destination: DuckDBDestination, own: Path) -> None:
    (own / "a").mkdir()
    (own / "a" / "mine.sql").write_text("select 1 as a")
    (own / "mine.sql").write_text("select 1 as a")
    with pytest.raises(CommandError, match="have the same name"):
        build_models(destination, own)


def test_a_database_that_nothing_was_loaded_into_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="does not exist: load it first with `run`"):
        build_models(DuckDBDestination(tmp_path / "none.duckdb"))
    duckdb.connect(tmp_path / "empty.duckdb").close()
    with pytest.raises(CommandError, match=r"no table bedrock\.\w+ yet: load it first with `run`"):
        build_models(DuckDBDestination(tmp_path / "empty.duckdb"))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_the_sessions_time_zone_changes_nothing(zone: str, scenarios: Scenarios) -> None:
    """The SELECTs run by hand, by someone whose session is elsewhere."""
    assert_built_alike_by_hand(scenarios("some are still open"), zone)


def test_a_file_is_read_with_what_it_says_of_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "Mine.sql"
    path.write_text(
        "-- One row per thing\n-- and day.\n--\n-- More of it.\n--\n-- day: when it\n--   was\n"
        "-- thing: what\nwith a as (from bedrock.b) select * from a, read_csv('x') join other.c\n"
    )
    file = read_file(path)
    assert file.name == "mine"
    assert file.description == "One row per thing and day.\n\nMore of it."
    assert file.columns == {"day": "when it was", "thing": "what"}
    assert file.reads == {("bedrock", "b"), ("other", "c")}


def test_readers_see_the_old_set_until_the_new_one_is_whole(built: DuckDBDestination) -> None:
    """Asked after each model that was built, from another connection."""
    with duckdb.connect(built.database) as connection:
        connection.execute("delete from bedrock.async_invokes")
        reader = connection.cursor()
        counts: list[list[tuple[object, ...]]] = []
        build_models(
            built,
            progress=lambda _, __: counts.append(
                reader.sql("select count(*) from bedrock_analytics.invocations").fetchall()
            ),
        )
        counts.append(reader.sql("select count(*) from bedrock_analytics.invocations").fetchall())
    assert [*{tuple(count) for count in counts[:-1]}, *counts[-1]] == [((6,),), (0,)]
