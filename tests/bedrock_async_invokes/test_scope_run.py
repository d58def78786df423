"""One run of one scope: what becomes of its progress when it cannot be entered."""

import threading
from typing import Any

from bedrock_async_invokes.pool import ReadingPool
from bedrock_async_invokes.scope_run import RunOptions, ScopeRun
from bedrock_async_invokes.scopes import find_accounts
from bedrock_async_invokes.windows import Window
from bedrock_emulator import Control

OPTIONS = RunOptions("run", Window(), 300_000_000, 1, "keep", None, None)


def test_a_scope_that_cannot_be_entered_keeps_its_progress(bedrock: Control) -> None:
    _, role = find_accounts(["arn:aws:iam::444455556666:role/reader"], 1)
    state: dict[str, Any] = {}
    run = ScopeRun(role, "no region at all", OPTIONS, lambda scope: state[scope], threading.Event())
    state |= {str(run.scope): {"submitted_through": 1}}
    assert list(run.tables(ReadingPool(1, [run]))) == []
    run.save_progress(state)
    assert state == {str(run.scope): {"submitted_through": 1}}
    assert run.report.outcome == "failed"
    assert str(run.report.error).startswith("ScopeError: The endpoint cannot be used")
