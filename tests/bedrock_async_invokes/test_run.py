"""One run of each scope: what becomes of its progress, and what an observer sees of it."""

from datetime import timedelta
from typing import Any

from bedrock_async_invokes.accounts import find_accounts
from bedrock_async_invokes.columns import ScopeReport
from bedrock_async_invokes.options import LoadOptions
from bedrock_async_invokes.read_ahead import ReadAhead
from bedrock_async_invokes.run import Extraction, Observer, RunContext, ScopeRun
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION

OPTIONS = LoadOptions(role_arns=["arn:aws:iam::444455556666:role/reader"])


def test_a_scope_that_cannot_be_entered_keeps_its_progress(bedrock: Control) -> None:
    _, role = find_accounts(OPTIONS)
    state: dict[str, Any] = {}
    run = ScopeRun(role, "no region at all", RunContext(OPTIONS), lambda scope: state[scope])
    state |= {str(run.scope): {"submitted_through": 1}}
    assert list(run.tables(ReadAhead(1, [run]))) == []
    run.save_progress(state)
    assert state == {str(run.scope): {"submitted_through": 1}}
    assert run.report.outcome == "failed"
    assert str(run.report.error).startswith("The endpoint cannot be used")


class Recorder(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def run_started(self, scopes: int) -> None:
        self.told.append(("run started", scopes))

    def scope_started(self, report: ScopeReport) -> None:
        self.told.append(("scope started", report.region))

    def scope_read(self, report: ScopeReport, share: float) -> None:
        if report.outcome:
            self.told.append((report.outcome, report.region, report.rows_read, report.calls))

    def slice_read(self, rows: int) -> None:
        self.told.append(("slice read", rows))


def test_an_observer_is_told_of_each_scope_and_slice(bedrock: Control) -> None:
    bedrock.populate(ACCOUNT, REGION, 700, NOW - timedelta(days=1), NOW)
    bedrock.populate(ACCOUNT, "eu-west-1", 300, NOW - timedelta(days=1), NOW)
    recorder = Recorder()
    options = LoadOptions(regions=[REGION, "eu-west-1"], concurrency=1)
    with Extraction(RunContext(options, observer=recorder)) as extraction:
        while not extraction.is_finished:
            list(extraction.batches({}, 600))
    assert [told for told in recorder.told if told[0] != "scope started"] == [
        ("run started", 2),
        ("slice read", 700),
        ("ok", REGION, 700, 1),
        ("ok", "eu-west-1", 300, 1),
        ("slice read", 300),
    ]
    begun = [recorder.told.index(("scope started", region)) for region in (REGION, "eu-west-1")]
    ended = [
        recorder.told.index(("ok", *rest)) for rest in ((REGION, 700, 1), ("eu-west-1", 300, 1))
    ]
    assert [one < other for one, other in zip(begun, ended, strict=True)] == [True, True]
