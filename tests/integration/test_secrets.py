"""Neither credentials nor redacted messages are in anything that a process prints or leaves."""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
HUB = "arn:aws:iam::222233334444:role/hub"
SPOKE = "arn:aws:iam::444455556666:role/reader"
REFUSED = "arn:aws:iam::777788889999:role/reader"
MESSAGE = "The prompt of customer Recognisable-Person was blocked by the content filter."
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "recognisable-secret-key-5f1c",
    "AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key-recognisable-9b2e",
    "SOURCES__BEDROCK_ASYNC_INVOKES__EXTERNAL_ID": "recognisable-external-id-77aa",
    "BEDROCK_ASYNC_ETL__CHECK__NOTIFY": "https://127.0.0.1:9/recognisable-webhook-c0de",
}
"""What a process is given, by the variable that has it."""


def run(*arguments: str) -> tuple[int, str]:
    """Exit code of a whole process, and all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "bedrock_async_etl", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def left_in(folder: Path) -> dict[str, bytes]:
    """What every file has in it."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def places_of(secrets: Mapping[str, str], printed: Mapping[str, str], folder: Path) -> list[str]:
    """Which secret is where."""
    texts = {name: text.encode() for name, text in printed.items()} | left_in(folder)
    assert len(texts) > 20
    return [
        f"{name} is in {place}"
        for name, secret in secrets.items()
        for place, text in texts.items()
        if secret.encode() in text
    ]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_is_printed_or_left_anywhere(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SOURCES__BEDROCK_ASYNC_INVOKES__FAILURE_MESSAGE", "redact")
    for account in (ACCOUNT, "444455556666"):
        bedrock.populate(account, REGION, 300, NOW - timedelta(days=3), NOW)
        bedrock.submit(
            account,
            REGION,
            submit_time=NOW - timedelta(hours=1),
            duration=timedelta(minutes=1),
            failure_message=MESSAGE,
        )
    bedrock.refuse_role(REFUSED)
    place, folder = f"--database={database}", database.parent
    how = ["--debug", "--log-format", log_format]
    roles = [f"--hub-role={HUB}", f"--role-arn={SPOKE}", f"--role-arn={REFUSED}"]
    metrics = f"--metrics={folder / 'bedrock.prom'}"
    ended = {
        "load": run("run", place, *how, *roles, metrics, "--json"),
        "export": run("export", str(folder / "export"), place, "--debug"),
        "report": run("report", str(folder / "report.html"), place, "--debug"),
        "status": run("status", place, "--json", "--debug"),
        "check": run("check", place, "--max-failure-rate=0", "--strict", "--debug"),
        "refused": run("run", place, *how, "--hub-role=no-role", "--json"),
    }
    (folder / "broken.duckdb").write_text("no database")
    ended["crash"] = run("run", f"--database={folder / 'broken.duckdb'}", *how, *roles, "--json")
    codes = {name: code for name, (code, _) in ended.items()}
    assert codes == dict.fromkeys(("export", "report", "status"), 0) | {
        "load": 3,
        "check": 2,
        "refused": 2,
        "crash": 1,
    }
    printed = {name: text for name, (_, text) in ended.items()}
    assert "Traceback" in printed["crash"]
    sessions = {
        f"{part} of {session['arn']}": session[part]
        for session in bedrock.sessions()
        for part in ("token", "secret_key", "access_key")
    }
    assert len(sessions) >= 6
    secrets = {**SECRETS, **sessions, "message": "Recognisable-Person"}
    assert places_of(secrets, printed, folder) == []
