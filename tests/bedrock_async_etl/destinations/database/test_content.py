"""The content of a copy: it is another one after news, and the same after runs that find none."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from bedrock_async_etl.destinations.database.content import read_content
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from tests.bedrock_async_etl.copies import invocation, modelled, store
from tests.builds import build_models

HOUR = timedelta(hours=1)
TYPICAL = [invocation(f"a{number}", timedelta(days=2), 600) for number in range(30)]
OPEN = invocation("open", timedelta(minutes=5), None)
RUN = """
insert into bedrock.extract_runs
select * replace (
    '{run_id}' as run_id,
    finished_at + interval '{minutes} minutes' as finished_at,
    cast(_dlt_load_id::double + 60 * {minutes} as varchar) as _dlt_load_id,
    {rows} as rows_new, 0 as rows_changed, 0 as vanished,
    '{outcome}' as outcome, {error} as error
)
from bedrock.extract_runs
order by _dlt_load_id::double desc
limit 1
"""


def run(
    run_id: str = "later", minutes: int = 5, rows: int = 0, outcome: str = "ok", error: str = "null"
) -> str:
    """The statement that adds a run of the scope, some minutes after the newest."""
    values = {"run_id": run_id, "minutes": minutes, "rows": rows}
    return RUN.format(**values, outcome=outcome, error=error)


@pytest.fixture
def copy(tmp_path: Path) -> DuckDBDestination:
    """One model takes 10 minutes; one invocation of it has been open for 5."""
    return modelled(tmp_path / "copy.duckdb", [*TYPICAL, OPEN])


def content(destination: DuckDBDestination) -> str | None:
    with destination.connect(read_only=True) as connection:
        return read_content(connection)


def change(destination: DuckDBDestination, statement: str) -> None:
    with destination.connect(read_only=False) as connection:
        connection.execute(statement)


def ages(destination: DuckDBDestination) -> list[tuple[object, ...]]:
    with destination.connect(read_only=True) as connection:
        return connection.sql(
            "select age_seconds, is_stuck from bedrock_analytics.open_invocations"
        ).fetchall()


@pytest.mark.slow
def test_runs_without_news_are_none_though_ages_move(copy: DuckDBDestination) -> None:
    before = content(copy)
    assert before
    assert ages(copy) == [(300, False)]
    change(copy, run())
    build_models(copy)
    assert ages(copy) == [(600, False)]
    assert content(copy) == before


@pytest.mark.parametrize(
    "news",
    [
        run(rows=1),
        run(outcome="failed", error="'No.'"),
        "update bedrock.async_invokes set observed_at = observed_at + interval 1 second "
        "where invocation_arn like '%a7'",
        "delete from bedrock.async_invokes where invocation_arn like '%a7'",
        "insert into bedrock.vanished_invokes select invocation_arn, observed_at, '2' "
        "from bedrock.async_invokes where status = 'InProgress'",
        "update bedrock_builds.definitions set definition = 'x' where model = 'scopes'",
        "create table bedrock_analytics.mine as select 1 as one",
    ],
)
def test_news_of_each_kind_is_another_content(news: str, copy: DuckDBDestination) -> None:
    """Before and after models are built of them."""
    change(copy, run("first", minutes=1, rows=1))
    before = content(copy)
    change(copy, news)
    assert content(copy) not in (None, before)
    if "definitions" not in news:  # A build puts them right.
        build_models(copy)
        assert content(copy) not in (None, before)


def test_one_that_is_stuck_now_is_news(copy: DuckDBDestination) -> None:
    before = content(copy)
    change(copy, run(minutes=60))
    build_models(copy)
    assert ages(copy) == [(3_900, True)]
    assert content(copy) not in (None, before)


@pytest.mark.parametrize("is_failure", [True, False])
def test_models_that_are_built_after_what_is_loaded_are_news(
    is_failure: bool, copy: DuckDBDestination
) -> None:
    """Somebody may have exported what was loaded with the models of before."""
    late = "update bedrock.async_invokes set observed_at = observed_at + interval 1 second"
    change(copy, run(outcome="failed", error="'No.'") if is_failure else late)
    before = content(copy)
    build_models(copy)
    assert content(copy) not in (None, before)


def test_a_failure_that_lasts_is_news_once(copy: DuckDBDestination) -> None:
    contents = []
    for error in ("'No.'", "'No.'", "'Never.'"):
        change(copy, run(outcome="failed", error=error))
        build_models(copy)
        contents.append(content(copy))
    assert contents[0] == contents[1] != contents[2]


def test_a_table_of_somebodys_among_the_models_counts_as_a_whole(
    copy: DuckDBDestination,
) -> None:
    change(copy, "create table bedrock_analytics.mine as select 1 as one, 2 as two")
    before = content(copy)
    change(copy, "update bedrock_analytics.mine set two = 3")
    assert content(copy) not in (None, before)


@pytest.mark.parametrize(
    "lack",
    [
        lambda connection: connection.execute("drop schema bedrock_analytics cascade"),
        lambda connection: connection.execute("drop schema bedrock_builds cascade"),
        lambda connection: connection.execute("alter table bedrock.extract_runs drop quarantined"),
    ],
)
def test_without_models_or_with_an_older_versions_tables_it_is_unknown(
    lack: Callable[[duckdb.DuckDBPyConnection], object], copy: DuckDBDestination
) -> None:
    with copy.connect(read_only=False) as connection:
        lack(connection)
    assert content(copy) is None


def test_a_copy_that_was_only_loaded_has_none(tmp_path: Path) -> None:
    assert content(store(tmp_path / "loaded.duckdb", TYPICAL)) is None


@pytest.fixture
def views(copy: DuckDBDestination) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables of the copy as views of another database, as the connection to a lake has them."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{copy.database}' as stored (read_only)")
        tables = connection.sql(
            "select schema_name, table_name from duckdb_tables() where database_name = 'stored'"
        ).fetchall()
        for schema, name in tables:
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"create view {schema}.{name} as from stored.{schema}.{name}")
        yield connection


def test_views_have_the_content_of_their_tables(
    copy: DuckDBDestination, views: duckdb.DuckDBPyConnection
) -> None:
    found = read_content(views)
    views.close()
    assert found == content(copy) is not None
