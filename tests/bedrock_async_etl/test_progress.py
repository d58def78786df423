"""The progress of a run: drawn on a terminal, in log lines elsewhere."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from bedrock_async_etl.logs import LogFormat, Logs
from bedrock_async_etl.progress import (
    DRAWN_SCOPES,
    SECONDS_BETWEEN_LINES,
    LogObserver,
    TerminalObserver,
)
from bedrock_async_invokes.columns import ScopeReport
from tests.conftest import NOW, REGION


def drawn(terminal: TerminalObserver, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as capture:
        console.print(terminal.drawing())
    return [line.rstrip() for line in capture.get().splitlines()]


def new_terminal(scopes: int) -> TerminalObserver:
    terminal = TerminalObserver()
    terminal.run_started(scopes)
    return terminal


def started(terminal: TerminalObserver, number: int, region: str = "us-east-1") -> ScopeReport:
    report = ScopeReport("run", f"{number:012}", region, started_at=datetime.now(UTC))
    terminal.scope_started(report)
    return report


def ended(terminal: TerminalObserver, report: ScopeReport) -> None:
    report.outcome = "ok"
    terminal.scope_read(report, 1.0)


def test_a_scope_has_a_line_that_counts_up_while_it_is_read() -> None:
    terminal = new_terminal(2)
    first, second = started(terminal, 1), started(terminal, 2, "eu-west-1")
    first.rows_read, first.calls = 1_998, 2
    second.rows_read, second.calls, second.throttled = 1_000, 1, 7
    assert drawn(terminal) == [
        "0:00:00          0 of 2 scopes, 2,998 rows, 3 calls, 7 throttled",
        "  000000000001  us-east-1    1,998 rows, 2 calls",
        "  000000000002  eu-west-1    1,000 rows, 1 call, 7 throttled",
    ]
    terminal.scope_read(first, 0.42)
    first.rows_read, first.calls = 4_000, 4
    assert drawn(terminal)[1] == "  000000000001  us-east-1   42%  4,000 rows, 4 calls"
    ended(terminal, first)
    assert drawn(terminal) == [
        "0:00:00 ━━━━     1 of 2 scopes, 5,000 rows, 5 calls, 7 throttled",
        "  000000000002  eu-west-1    1,000 rows, 1 call, 7 throttled",
    ]


def test_what_is_loaded_is_shown_until_it_is() -> None:
    terminal = new_terminal(1)
    ended(terminal, started(terminal, 1))
    terminal.slice_read(245_000)
    assert drawn(terminal)[1].endswith("Loading 245,000 rows")
    terminal.slice_loaded(is_last=True)
    assert drawn(terminal) == ["0:00:00 ━━━━━━━━ 1 of 1 scope, 0 rows, 0 calls"]


def test_a_thousand_scopes_under_way_have_few_lines_on_a_narrow_terminal() -> None:
    terminal = new_terminal(1_122)
    for number in range(1_000):
        started(terminal, number).rows_read = 10_000
    lines = drawn(terminal)
    assert len(lines) == 1 + DRAWN_SCOPES + 1
    assert lines[0] == "0:00:00          0 of 1,122 scopes, 10,000,000 rows, 0 calls"
    assert lines[-1] == "  and 990 more"


def report(number: int, **counts: int) -> ScopeReport:
    scope = ScopeReport("run", f"{number:012}", REGION, started_at=NOW)
    for name, count in counts.items():
        setattr(scope, name, count)
    return scope


def test_a_long_scope_is_logged_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with Logs():
        lines = LogObserver("text", clock=lambda: now)
        lines.run_started(2)
        for seconds in (1, 29, 31, 32, 60, 62):
            now = float(seconds)
            lines.scope_read(report(1, rows_read=1_000 * seconds, calls=seconds, throttled=1), 0.5)
    assert capsys.readouterr().err.splitlines() == [
        "000000000001/us-east-1: 31,000 rows read, 31 calls, 1 throttled; 0 of 2 scopes done.",
        "000000000001/us-east-1: 62,000 rows read, 62 calls, 1 throttled; 0 of 2 scopes done.",
    ]
    assert SECONDS_BETWEEN_LINES == 30


@pytest.mark.parametrize(("log_format", "lines"), [("text", 0), ("json", 101)])
def test_scopes_that_are_read_at_once_are_logged_for_machines_alone(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat, lines: int
) -> None:
    with Logs() as logs:
        logs.use(log_format)
        observer = LogObserver(log_format)
        observer.run_started(100)
        for number in range(100):
            scope = report(number, rows_new=1)
            scope.outcome = "ok"
            observer.scope_read(scope, 1.0)
    assert len(capsys.readouterr().err.splitlines()) == lines
