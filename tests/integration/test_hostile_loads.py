"""Whole loads from a service that answers anything: exact rows, or a scope that fails alone.

More inputs: `pytest -m integration FILE --hypothesis-profile soak`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import RunResult, load
from bedrock_async_invokes.errors import describe
from bedrock_async_invokes.run import SCOPE_ERRORS
from bedrock_async_invokes.windows import Window
from tests import oracle
from tests.bedrock_async_invokes.test_client import is_one_harmless_line, listing_of
from tests.bedrock_async_invokes.test_hostile_pages import (
    bodies,
    expected_rows,
    has_odd_times,
    rows_in,
)
from tests.conftest import REGION
from tests.copies import CopyKind, destination_of
from tests.hostile import HostileBedrock, answer, page, summary

pytestmark = pytest.mark.integration

QUIET = "eu-west-1"
BESIDE = page(summary(2, QUIET), summary(1, QUIET))
"""What the other scope lists, newest first, as it is asked for."""


class Service:
    """Lists a body in one region, and good invocations in another."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def respond(self, region: str, _: int) -> bytes:
        return answer(BESIDE if region == QUIET else self.body)


@contextmanager
def surroundings(body: bytes) -> Iterator[tuple[Service, HostileBedrock, Path]]:
    """An environment that leads to such a service, and a folder; broken pages are soon given up."""
    service = Service(body)
    with (
        TemporaryDirectory() as folder,
        HostileBedrock(service.respond) as served,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in served.environment.items():
            patch.setenv(name, value)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("DLT_DATA_DIR", f"{folder}/dlt")
        patch.chdir(folder)
        patch.setattr("bedrock_async_invokes.listing.RESUMES_WITHOUT_HEADWAY", 1)
        yield service, served, Path(folder)


def run(destination: Destination) -> RunResult:
    return load(destination, {"regions": [REGION, QUIET]})


def stored(destination: Destination, region: str = REGION) -> list[dict[str, Any]]:
    """The rows of a region as the oracle has them; a row without one is the first region's."""
    with destination.connection() as connection:
        times = [f"epoch_us({name})" for name in oracle.TIMES.values()]
        columns = [*oracle.TEXTS.values(), *times, *oracle.S3_TEXTS.values(), "extra"]
        rows = (
            connection.sql("from bedrock.async_invokes")
            .filter(f"coalesce(region, '{REGION}') = '{region}'")
            .select(", ".join(columns))
            .fetchall()
        )
    parsed = [dict(zip(oracle.COLUMNS, row, strict=True)) for row in rows]
    return [row | {"extra": row["extra"] and oracle.parsed(row["extra"])} for row in parsed]


def once(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of an invocation that is listed twice in a page, the first counts."""
    first = {row["invocation_arn"]: row for row in reversed(rows)}
    return list(first.values())


def may_be_refused(body: bytes, line: str) -> bool:
    return (
        expected_rows(body) is None
        or has_odd_times(body)
        or "order of submitTime" in line
        or "another account or region" in line
    )


@given(bodies())
def test_over_http_each_value_is_right_or_the_listing_fails_in_a_line(body: bytes) -> None:
    with HostileBedrock(lambda *_: answer(body)) as service:
        listing = listing_of(service)
        try:
            rows = rows_in(listing.read(Window()).table)
        except SCOPE_ERRORS as error:
            line = describe(error)
            assert is_one_harmless_line(line)
            assert may_be_refused(body, line)
        else:
            expected = expected_rows(body)
            assert expected is not None
            assert rows == once(expected) or sorted(rows, key=repr) == sorted(
                once(expected), key=repr
            )
        finally:
            listing.client.close()
        assert service.calls[REGION] <= 7


@settings(max_examples=max(1, settings().max_examples // 10))
@given(bodies())
def test_a_load_has_exact_rows_or_a_scope_that_fails_alone(body: bytes) -> None:
    with surroundings(body) as (_, served, folder):
        destination = DuckDBDestination(folder / "copy.duckdb")
        result = run(destination)
        quiet = sorted(row["invocation_arn"] for row in stored(destination, QUIET))
        assert quiet == [summary(number, QUIET)["invocationArn"] for number in (1, 2)]
        [line] = [report.error for report in result.scopes if report.region == REGION]
        assert served.calls[REGION] <= 3
        if line is None:
            expected = expected_rows(body)
            assert expected is not None
            by_arn = sorted(once(expected), key=lambda row: str(row["invocation_arn"]))
            rows = sorted(stored(destination), key=lambda row: str(row["invocation_arn"]))
            assert rows == by_arn
            assert result.exit_code == 0
            assert run(destination).rows_loaded == 0
        else:
            assert is_one_harmless_line(line)
            assert may_be_refused(body, line)
            assert stored(destination) == []
            assert result.exit_code == 3


def submitted_through(result: RunResult) -> list[Any]:
    return [report.submitted_through for report in result.scopes if report.region == REGION]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"<html>", "BrokenPage: A page of the listing is not JSON: "),
        (page(summary(5, status=7), summary(4)), f"Invocation {summary(5)['invocationArn']}: sta"),
        (page(summary(4, endTime="0000-01-01T00:00:00Z")), "endTime is '0000-01-01T00:00:00Z'"),
        (page(summary(4), token=7), "nextToken that is int, not text"),
        (page(summary(4, failureMessage={"secret": 1})), "failureMessage is dict, not text"),
        (b'{"asyncInvokeSummaries":' + b"[" * 10_000, "nested too deeply"),
    ],
    ids=["no JSON", "a type", "a year", "a token", "a message", "depth"],
)  # fmt: skip
def test_a_scope_that_failed_stands_where_it_stood_and_catches_up(body: bytes, line: str) -> None:
    with surroundings(page(summary(2), summary(1))) as (service, _, folder):
        destination = DuckDBDestination(folder / "copy.duckdb")
        before = submitted_through(run(destination)), stored(destination)
        service.body = body
        result = run(destination)
        [report] = result.failed
        assert line in str(report.error)
        assert is_one_harmless_line(str(report.error))
        assert (report.region, result.exit_code) == (REGION, 3)
        assert (submitted_through(result), stored(destination)) == before
        service.body = page(summary(3), summary(2), summary(1))
        assert run(destination).rows_loaded == 1
        assert len(stored(destination)) == 3


def test_the_command_line_tells_one_line_and_its_code() -> None:
    hostile = summary(1, submitTime="\x1b[2J\nnever")
    with surroundings(page(hostile)) as (_, _, folder):
        options = ["run", "--no-models", "--database", str(folder / "copy.duckdb")]
        both = CliRunner().invoke(app, [*options, "--region", REGION, "--region", QUIET])
        alone = CliRunner().invoke(app, [*options, "--region", REGION])
    assert (both.exit_code, alone.exit_code) == (3, 1)
    [line] = [line for line in both.stderr.splitlines() if "UnreadableInvocation" in line]
    assert hostile["invocationArn"] in line
    assert "\x1b" not in both.output + alone.output


ODD_TEXTS = {
    "nul": "a\0b",
    "separator": "a\x1fb",
    "escape": "\x1b[31m",
    "right to left": "\u202egnp.exe",
    "empty": "",
    "none": None,
    "spaces": " \t\r\n\u2028",
    "astral": "😀\ufeff\uffff",
    "long": "é" * 1_000_000,
}


@pytest.mark.parametrize("kind", ["duckdb", "parquet"])
def test_odd_texts_are_stored_as_they_are_and_their_changes_are_seen(kind: CopyKind) -> None:
    rows = [summary(at, failureMessage=text) for at, text in enumerate(ODD_TEXTS.values(), 1)]
    with surroundings(page(*reversed(rows))) as (service, _, folder):
        destination = destination_of(kind, folder / "copy")
        run(destination)
        found = sorted(stored(destination), key=lambda row: str(row["invocation_arn"]))
        assert [row["failure_message"] for row in found] == list(ODD_TEXTS.values())
        assert run(destination).rows_loaded == 0
        rows[3]["failureMessage"], rows[4]["failureMessage"] = None, "\0"
        service.body = page(*reversed(rows))
        assert run(destination).rows_loaded == 2


def test_a_row_of_the_far_future_hides_nothing_that_comes_before_it() -> None:
    future = summary(9, submitTime="9999-12-31T23:59:59.999999Z", endTime="0001-01-01T00:00:00Z")
    with surroundings(page(future, summary(1))) as (service, _, folder):
        destination = DuckDBDestination(folder / "copy.duckdb")
        assert run(destination).exit_code == 0
        assert run(destination).rows_loaded == 0
        service.body = page(future, summary(2), summary(1))
        assert run(destination).rows_loaded == 1
        assert len(stored(destination)) == 3


def test_rows_between_the_first_and_the_last_year_take_few_calls() -> None:
    rows = [
        summary(1, submitTime="0001-01-01T00:00:00Z"),
        summary(2),
        summary(3, submitTime="9999-12-31T23:59:59.999999Z"),
    ]
    with surroundings(page(*reversed(rows))) as (_, served, folder):
        assert run(DuckDBDestination(folder / "copy.duckdb")).exit_code == 0
        assert served.calls[REGION] == 1
