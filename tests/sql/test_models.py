"""Given rows, expected rows: every model in every scenario."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from itertools import product
from pathlib import Path

import duckdb
import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_invokes.records import is_open
from tests.scenarios import Scenarios
from tests.sql.given import HERE, SCENARIOS, as_text, read_csv

EXPECTED = {path.stem: path for path in sorted((HERE / "expected").glob("*.csv"))}
MARTS = {path.stem for path in Path("sql/marts").glob("*.sql")}

ABOUT_SPIKES = (
    "failures after a quiet week",
    "an hour that is not over",
    "a week with few invocations",
    "a spike longer ago than a week",
)
OF_MANY_HOURS = (
    "longer than 30 days ago",
    "open for longer than 30 days",
    "one vanished after longer than usual",
    "one straggler among a hundred",
    "nothing ends",
)
OF_MANY_INVOCATIONS = (
    "one vanished after longer than usual",
    "three short ones and twelve that run",
    "one straggler among a hundred",
    "jobs have become longer",
    "nothing ends",
)
ABOUT_PERIODS = ("another 30 days than before", "at the borders of 30 and 60 days")
LEFT_OUT = {
    *product(("in_flight_hourly",), OF_MANY_HOURS),
    *product(("invocations",), OF_MANY_INVOCATIONS),
    *product(("invocations", "open_invocations", "in_flight_hourly"), ABOUT_SPIKES),
    *product(EXPECTED.keys() - {"model_summary"}, ABOUT_PERIODS),
}
"""They have hundreds of rows, or rows which are as those of the other scenarios."""
CASES = [case for case in product(EXPECTED, SCENARIOS) if case not in LEFT_OUT]

Read = Callable[[str], duckdb.DuckDBPyConnection]


@pytest.fixture(scope="module")
def read(scenarios: Scenarios) -> Iterator[Read]:
    """A connection to a scenario's database, opened once."""
    with ExitStack() as connections:

        @cache
        def opened(scenario: str) -> duckdb.DuckDBPyConnection:
            return connections.enter_context(DuckDBDestination(scenarios(scenario)).connection())

        yield opened


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_the_source_follows_is_what_is_open_or_vanished(scenario: str, read: Read) -> None:
    listed = read(scenario).sql("from bedrock.async_invokes").to_arrow_table()
    followed = listed.filter(is_open(listed))["invocation_arn"].to_pylist()
    modelled = read(scenario).sql(
        "select invocation_arn from bedrock_analytics.invocations where is_open or is_vanished"
    )
    assert sorted(arn for (arn,) in modelled.fetchall()) == sorted(followed)


def test_every_mart_has_expected_rows() -> None:
    assert EXPECTED.keys() == MARTS | {"invocations"}


@pytest.mark.parametrize(("model", "scenario"), CASES)
def test_a_model_is_what_is_expected(model: str, scenario: str, read: Read) -> None:
    header, *_ = EXPECTED[model].read_text().splitlines()
    columns = header.split(",")[1:]
    expected = [
        tuple(line[column] for column in columns)
        for line in read_csv(EXPECTED[model])
        if line["scenario"] == scenario
    ]
    table = read(scenario).sql(f"from bedrock_analytics.{model}")
    assert sorted(as_text(table.select(*columns).fetchall())) == sorted(expected)
