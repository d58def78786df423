"""Runs over many accounts: role chains, sessions that end in the middle, accounts that close."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import RunResult, load
from bedrock_async_etl.progress import LogObserver
from bedrock_async_invokes.columns import ScopeReport
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy, query
from tests.integration.budgets import cases

pytestmark = pytest.mark.integration

HUB = "arn:aws:iam::222233334444:role/hub"
MEMBERS = ("444455556666", "777788889999", "888899990000")
SPOKES = [f"arn:aws:iam::{account}:role/reader" for account in MEMBERS]
ROWS = 30_000
"""Of an account to which something happens in the middle."""


class Meanwhile(LogObserver):
    """Does something once, when so many rows of an account have been taken in."""

    def __init__(self, account: str, rows: int, act: Callable[[], object]) -> None:
        super().__init__()
        self._account, self._rows_before, self._act = account, rows, act
        self.has_acted = False

    def scope_read(self, report: ScopeReport, share: float) -> None:
        super().scope_read(report, share)
        is_due = report.account_id == self._account and report.rows_new >= self._rows_before
        if is_due and not self.has_acted:
            self.has_acted = True
            self._act()


@pytest.fixture
def no_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken in has been read just before."""
    monkeypatch.setattr("bedrock_async_invokes.read_ahead.READ_AHEAD_BYTES", 0)


def populate(bedrock: Control, *accounts: str, count: int = 300) -> None:
    for seed, account in enumerate(accounts):
        bedrock.populate(account, REGION, count, NOW - timedelta(days=3), NOW, seed)


def run(database: Path, observer: Any = None, **options: Any) -> RunResult:
    options = {"concurrency": 1, "role_arns": SPOKES[:1], **options}
    return load(DuckDBDestination(database), options, slice_rows=2_500, observer=observer)


def rows_of(database: Path, account: str) -> int:
    counted = f"select count(*) from bedrock.async_invokes where account_id = '{account}'"
    return int(query(database, counted)[0][0])


@pytest.mark.parametrize("hub", cases([(None,), (HUB,)], [(HUB,)]))
def test_sessions_that_expire_in_the_middle_are_renewed(
    no_read_ahead: None, bedrock: Control, database: Path, hub: str | None
) -> None:
    populate(bedrock, MEMBERS[0], count=ROWS)
    bedrock.limit_sessions(timedelta(minutes=15))
    meanwhile = Meanwhile(MEMBERS[0], 3_000, lambda: bedrock.advance(timedelta(minutes=16)))
    result = run(database, meanwhile, hub_role_arn=hub)
    assert (result.exit_code, meanwhile.has_acted) == (0, True)
    assert rows_of(database, MEMBERS[0]) == ROWS
    assert len(bedrock.sessions()) == (4 if hub else 2)
    run(database, hub_role_arn=hub)
    assert_exact_copy(database, bedrock)


def test_a_session_that_cannot_be_renewed_loses_nothing(
    no_read_ahead: None, bedrock: Control, database: Path
) -> None:
    populate(bedrock, MEMBERS[0], count=ROWS)
    bedrock.limit_sessions(timedelta(minutes=15))

    def end() -> None:
        bedrock.refuse_role(SPOKES[0])
        bedrock.advance(timedelta(minutes=16))

    result = run(database, Meanwhile(MEMBERS[0], 3_000, end))
    caller, member = result.scopes
    assert (result.exit_code, caller.outcome, member.outcome) == (3, "ok", "failed")
    assert f"Cannot assume {SPOKES[0]}" in str(member.error)
    assert 3_000 <= rows_of(database, MEMBERS[0]) < ROWS
    assert member.submitted_through is not None
    bedrock.reset_roles()
    assert run(database).exit_code == 0
    assert_exact_copy(database, bedrock)


def test_an_account_that_closes_in_the_middle_leaves_the_others_alone(
    no_read_ahead: None, bedrock: Control, database: Path
) -> None:
    closing = MEMBERS[1]
    populate(bedrock, ACCOUNT, MEMBERS[0], MEMBERS[2])
    populate(bedrock, closing, count=ROWS)
    meanwhile = Meanwhile(closing, 3_000, lambda: bedrock.close_account(closing))
    result = run(database, meanwhile, role_arns=SPOKES)
    assert result.exit_code == 3
    outcomes = {scope.account_id: scope.outcome for scope in result.scopes}
    assert outcomes == dict.fromkeys((ACCOUNT, *MEMBERS), "ok") | {closing: "failed"}
    assert "UnrecognizedClientException" in str(result.failed[0].error)
    kept = rows_of(database, closing)
    assert 3_000 <= kept < ROWS
    # It stays closed: its rows are kept, and the others go on.
    bedrock.advance(timedelta(hours=1))
    again = run(database, role_arns=SPOKES)
    assert (again.exit_code, [scope.account_id for scope in again.failed]) == (3, [closing])
    assert f"Cannot assume {SPOKES[1]}: AccessDenied" in str(again.failed[0].error)
    assert rows_of(database, closing) == kept
    bedrock.reset_roles()
    assert run(database, role_arns=SPOKES).exit_code == 0
    assert_exact_copy(database, bedrock)


@pytest.mark.parametrize("way", ["flags", "environment", "secrets.toml"])
def test_a_chain_can_be_set_in_every_way(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    populate(bedrock, ACCOUNT, *MEMBERS[:1])
    bedrock.trust(HUB, external_id="id-1")
    bedrock.trust(SPOKES[0], principal=HUB, external_id="id-1")
    command = ["run", f"--database={database}", "--no-models", f"--role-arn={SPOKES[0]}"]
    section = "SOURCES__BEDROCK_ASYNC_INVOKES__"
    if way == "flags":
        command += [f"--hub-role={HUB}", "--external-id=id-1", "--role-session-name=audit"]
    elif way == "environment":
        monkeypatch.setenv(f"{section}HUB_ROLE_ARN", HUB)
        monkeypatch.setenv(f"{section}EXTERNAL_ID", "id-1")
        monkeypatch.setenv(f"{section}ROLE_SESSION_NAME", "audit")
    else:
        folder = Path(".dlt")
        folder.mkdir()
        table = "[sources.bedrock_async_invokes]\n"
        settings = f'hub_role_arn = "{HUB}"\nrole_session_name = "audit"\n'
        (folder / "config.toml").write_text(table + settings)
        (folder / "secrets.toml").write_text(f'{table}external_id = "id-1"\n')
    context = Container()[PluggableRunContext]
    before = context.context.run_dir
    context.reload(str(database.parent))
    result = CliRunner().invoke(app, command)
    context.reload(before)
    assert result.exit_code == 0, result.stderr
    arns = [session["arn"].partition("assumed-role/")[2] for session in bedrock.sessions()]
    assert arns == ["hub/audit", "reader/audit"]
    assert_exact_copy(database, bedrock)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--hub-role=hub"], "Not a role's ARN: 'hub'"),
        (["--role-session-name=white space"], "Not a role's session name: 'white space'"),
        (["--external-id=no id"], "The external id is not valid"),
    ],
)
def test_a_chain_that_cannot_be_is_wrong_usage(
    bedrock: Control, database: Path, flags: list[str], told: str
) -> None:
    result = CliRunner().invoke(app, ["run", f"--database={database}", *flags])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {told}")
