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
ODD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "ended before it was submitted": (
        {"endTime": "2026-03-29T00:00:00Z"},
        ["nothing_ends_before_it_was_submitted"],
    ),
    "completed without an end": ({}, ["terminal_invocations_have_ended"]),
    "failed without an end": ({"status": "Failed"}, ["terminal_invocations_have_ended"]),
    "submitted in 1970": ({"submitTime": "1970-01-01T00:00:00Z", "endTime": NIGHT}, []),
    "open since 1970": ({"submitTime": "1970-01-01T00:00:00Z", "status": "InProgress"}, []),
    "open, with an end": ({"status": "InProgress", "endTime": NIGHT}, []),
    "without a status": ({"status": None, "endTime": NIGHT}, []),
    "an ARN that cannot be parsed": ({"invocationArn": "odd", "endTime": NIGHT}, []),
}


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(("members", "warned"), ODD.values(), ids=ODD)
def test_an_odd_row_is_a_warning_and_fails_a_strict_run_alone(
    bedrock: Control, database: Path, members: dict[str, Any], warned: list[str]
) -> None:
    bedrock.populate(ACCOUNT, REGION, 20, NOW - timedelta(days=2), NOW, never_ending_rate=0)
    odd = {name: value for name, value in (summary(1) | members).items() if value is not None}
    bedrock.put_raw(ACCOUNT, REGION, datetime.fromisoformat(odd["submitTime"]), odd)
    place = f"--database={database}"
    code, stdout, stderr = invoke("run", place, "--json")
    checks = {check["name"]: check for check in json.loads(stdout)["checks"]}
    assert [name for name, check in checks.items() if check["violations"]] == warned, stderr
    assert all(checks[name]["severity"] == "warning" for name in warned)
    assert code == 0
    assert all(f"Warning: check {name}: 1 row breaks" in stderr for name in warned)
    code, stdout, _ = invoke("models", place, "--strict")
    assert code == bool(warned)
    held = len(checks) - len(warned)
    assert stdout.splitlines()[-1].endswith(f"{held} of {len(checks)} checks hold.")
