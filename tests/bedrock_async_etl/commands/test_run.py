"""The closing table: all scopes where they are few, what is worth a look where they are many."""

import re

import pytest

from bedrock_async_etl.commands.run import log_failures, print_result
from bedrock_async_etl.console import MAX_ROWS, error_console, output_console, plain_table
from bedrock_async_etl.load import RunResult
from bedrock_async_etl.logs import Logs, log_event
from bedrock_async_invokes.columns import ScopeReport
from tests.conftest import NOW, REGION


def scope(number: int, **values: object) -> ScopeReport:
    report = ScopeReport("run", f"{number:012}", REGION, NOW, outcome="ok", calls=1)
    for name, value in values.items():
        setattr(report, name, value)
    return report


def printed(capsys: pytest.CaptureFixture[str], *scopes: ScopeReport) -> list[str]:
    print_result(RunResult("run", "duckdb:copy.duckdb", 1.0, scopes, 0, is_part=False))
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def logged(capsys: pytest.CaptureFixture[str], *scopes: ScopeReport) -> list[str]:
    with Logs():
        log_failures(RunResult("run", "duckdb:copy.duckdb", 1.0, scopes, 0, is_part=False))
    return capsys.readouterr().err.splitlines()


def test_one_row_is_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, scope(1, rows_new=1, submitted_through=NOW)) == [
        "account       region     outcome  new  changed  open  calls  submitted through (UTC)",
        "000000000001  us-east-1  ok         1        0     0      1  2026-03-31 12:00:00",
        "Loaded 1 row into duckdb:copy.duckdb in 1.0 s.",
    ]


def test_a_terminal_obeys_nothing_that_others_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    table = plain_table(["model"], [["\x1b[2Jevil\u202e"]])
    for console in (output_console(), error_console()):
        console.print(table)
        console.print("line\n\x07bell \x9b31m")
    with Logs():
        log_event("odd", "told \x1b]0;title\x07")
    captured = capsys.readouterr()
    lines = ["model", "\\x1b[2Jevil\\u202e", "line", "\\x07bell \\x9b31m"]
    assert [line.rstrip() for line in captured.out.splitlines()] == lines
    assert [line.rstrip() for line in captured.err.splitlines()] == [
        *lines,
        "told \\x1b]0;title\\x07",
    ]


def test_what_is_rare_has_a_column_where_there_is_some(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(capsys, scope(1, throttled=1_234), scope(2, vanished=2))[:3] == [
        "account       region     outcome  new  changed  open  vanished  calls  throttled"
        "  submitted through (UTC)",
        "000000000001  us-east-1  ok         0        0     0         0      1      1,234  -",
        "000000000002  us-east-1  ok         0        0     0         2      1          0  -",
    ]


def test_a_thousand_scopes_are_those_with_news_and_a_sum(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quiet = [scope(number) for number in range(1_000)]
    busy = scope(5_000, rows_new=3, open_invocations=2)
    failed = scope(6_000, outcome="failed", error="AccessDeniedException: No.")
    assert printed(capsys, *quiet, busy, failed)[1:] == [
        "000000006000  us-east-1  failed     0        0     0      1  -",
        "000000005000  us-east-1  ok         3        0     2      1  -",
        "and 1,000 more scopes: 0 new, 0 changed, 0 open, 1,000 calls, 0 throttled",
        "Loaded 3 rows into duckdb:copy.duckdb in 1.0 s.",
    ]
    assert logged(capsys, *quiet, busy, failed) == [
        "000000006000/us-east-1 failed: AccessDeniedException: No."
    ]


def test_where_a_thousand_scopes_have_news_those_with_the_most_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = printed(capsys, *(scope(number, rows_new=number) for number in range(1, 1_001)))
    assert len(lines) == 1 + MAX_ROWS + 2
    assert lines[1].startswith("000000001000")
    rest = sum(range(1, 1_001 - MAX_ROWS))
    assert lines[-2].startswith(f"and 950 more scopes: {rest:,} new, ")


def test_where_a_thousand_scopes_fail_twenty_failures_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scopes = [scope(number, outcome="failed", error="No.") for number in range(1_000)]
    lines = logged(capsys, *scopes)
    assert sum("failed: No." in line for line in lines) == 20
    assert lines[20:] == ["980 more failed: `status --all` has each."]
    rows = printed(capsys, *scopes)
    assert rows[1 + MAX_ROWS].startswith("and 950 more scopes (950 failed): ")


@pytest.mark.parametrize(("columns", "has_time"), [("80", False), ("100", True)])
def test_a_narrow_terminal_has_whole_rows(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
    has_time: bool,
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    busy = scope(1, rows_new=1_234_567, region="ap-southeast-1", submitted_through=NOW)
    lines = printed(capsys, busy)
    assert len(lines) == 3
    assert ("2026-03-31 12:00:00" in lines[1]) == has_time
    assert max(len(re.sub(r"\x1b\[\d+m", "", line)) for line in lines) <= int(columns)
