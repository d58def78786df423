"""What AWS lists oddly is shown, and fails no run: nobody could mend it."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.hostile import summary

NIGHT = "2026-03-30T00:10:00Z"
ODD: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "ended before it was submitted": (
        [{"endTime": "2026-03-29T00:00:00Z"}],
        ["nothing_ends_before_it_was_submitted"],
    ),
    "terminal without an end": ([{}, {"status": "Failed"}], ["terminal_invocations_have_ended"]),
    "what no rule is about": (
        [
            {"submitTime": "1970-01-01T00:00:00Z", "endTime": NIGHT},
            {"submitTime": "1970-01-01T00:00:00Z", "status": "InProgress"},
            {"status": "InProgress", "endTime": NIGHT},
            {"status": None, "endTime": NIGHT},
            {"invocationArn": "odd", "endTime": NIGHT},
        ],
        [],
    ),
}


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("odd", "warned"), ODD.values(), ids=ODD)
def test_odd_rows_are_a_warning_and_fail_a_strict_run_alone(
    bedrock: Control, database: Path, odd: list[dict[str, Any]], warned: list[str]
) -> None:
    bedrock.populate(ACCOUNT, REGION, 20, NOW - timedelta(days=2), NOW, never_ending_rate=0)
    for number, members in enumerate(odd):
        row = {name: value for name, value in (summary(number) | members).items() if value}
        bedrock.put_raw(ACCOUNT, REGION, datetime.fromisoformat(row["submitTime"]), row)
    place = f"--database={database}"
    code, stdout, stderr = invoke("run", place, "--json")
    checks = {check["name"]: check for check in json.loads(stdout)["checks"]}
    violations = {name: check["violations"] for name, check in checks.items()}
    assert {name for name, broken in violations.items() if broken} == set(warned), stderr
    assert all(violations[name] == len(odd) for name in warned)
    assert all(checks[name]["severity"] == "warning" for name in warned)
    assert code == 0
    assert all(f"Warning: check {name}: " in stderr for name in warned)
    code, stdout, _ = invoke("models", place, "--strict")
    assert code == bool(warned)
    held = len(checks) - len(warned)
    assert stdout.splitlines()[-1].endswith(f"{held} of {len(checks)} checks hold.")
