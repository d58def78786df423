"""What a terminal shows while a run reads and loads."""

import io
from datetime import UTC, datetime

from rich.console import Console

from bedrock_async_etl.terminal import LINES, Terminal
from bedrock_async_invokes.columns import ScopeReport


def drawn(terminal: Terminal, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as capture:
        console.print(terminal.drawn())
    return [line.rstrip() for line in capture.get().splitlines()]


def new_terminal(scopes: int) -> Terminal:
    terminal = Terminal(Console(file=io.StringIO()))
    terminal.run_started(scopes)
    return terminal


def started(terminal: Terminal, number: int, region: str = "us-east-1") -> ScopeReport:
    report = ScopeReport("run", f"{number:012}", region, started_at=datetime.now(UTC))
    terminal.scope_started(report)
    return report


def ended(terminal: Terminal, report: ScopeReport) -> None:
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
    assert len(lines) == 1 + LINES + 1
    assert lines[0] == "0:00:00          0 of 1,122 scopes, 10,000,000 rows, 0 calls"
    assert lines[-1] == "  and 990 more"
