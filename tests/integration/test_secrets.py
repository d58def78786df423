"""Neither credentials nor redacted messages are in anything that a process prints or leaves."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.hostile import Answer, HostileBedrock, answer, page, summary
from tests.integration.budgets import cases
from tests.token_service import SECRET_KEY, TOKEN, TokenService, assumed

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
    "BEDROCK_ASYNC_ETL__DIGEST__NOTIFY": "jsons://127.0.0.1:9/recognisable-webhook-c0de",
    "BEDROCK_ASYNC_ETL__CHECK__NOTIFY": "jsons://127.0.0.1:9/recognisable-webhook-c0de",
}
"""What a process is given, by the variable that has it."""
QUOTED = {
    "a token": f"x-amz-security-token:{TOKEN}",
    "an encoded token": "X-Amz-Security-Token%3DIQoJRecognisable%2Fencoded%2Btoken%26",
    "a proxy's password": "via http://user:recognisable-password@proxy:3128/",
    "basic authorization": "Proxy-Authorization: Basic dXNlcjpyZWNvZ25pc2FibGU=",
    "a signature": '"Signature": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"',
    "an external id": "ExternalId=recognisable-external-id-77aa&RoleArn=x",
}
"""What a service quotes of a request that it refuses."""
IN_QUOTES = {
    "a token": TOKEN,
    "an encoded token": "IQoJRecognisable",
    "a proxy's password": "recognisable-password",
    "basic authorization": "dXNlcjpyZWNvZ25pc2FibGU",
    "a signature": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "an external id": "recognisable-external-id-77aa",
    "the secret key of an answer that was cut": SECRET_KEY,
}


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


@pytest.mark.parametrize("log_format", cases([("text",), ("json",)], [("json",)]))
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
        "digest": run("digest", place, "--debug"),
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
        "digest": 1,
    }
    printed = {name: text for name, (_, text) in ended.items()}
    assert "Traceback" in printed["crash"]
    sessions = {
        f"{part} of {session['arn']}": session[part]
        for session in bedrock.sessions()
        for part in ("token", "secret_key", "access_key")
    }
    assert len(sessions) >= 6
    parts = {"message": "Recognisable-Person", "webhook": "recognisable-webhook-c0de"}
    secrets = {**SECRETS, **sessions, **parts}
    assert places_of(secrets, printed, folder) == []


def test_what_services_quote_of_secrets_is_kept_nowhere(
    bedrock: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "; ".join(QUOTED.values())
    error = {"__type": "AccessDeniedException", "message": message}
    refusal = answer(json.dumps(error).encode(), 403, "X-Amzn-ErrorType: AccessDeniedException")
    answers: list[Answer] = [answer(page(summary(1)))]
    cut = assumed("444455556666").partition("</SessionToken>")[0].encode()
    place, folder = f"--database={database}", database.parent
    how = ["--debug", f"--role-arn={SPOKE}", f"--metrics={folder / 'bedrock.prom'}"]
    with HostileBedrock(lambda *_: answers[-1]) as service, TokenService(body=cut) as sts:
        for name, value in service.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        good, _ = run("run", place)
        answers.append(refusal)
        ended = {
            "text": run("run", place, *how),
            "json": run("run", place, *how, "--log-format=json", "--json"),
            "status": run("status", place, "--json", "--all"),
            "check": run("check", place, "--max-lag=1s", "--json"),
            "export": run("export", str(folder / "export"), place),
            "report": run("report", str(folder / "report.html"), place),
        }
    codes = {name: code for name, (code, _) in ended.items()}
    assert (good, codes) == (
        0,
        {"text": 1, "json": 1, "status": 0, "check": 2, "export": 0, "report": 0},
    )
    printed = {name: text for name, (_, text) in ended.items()}
    assert all("(masked)" in printed[name] for name in ("text", "json", "status"))
    assert "(masked)" in (folder / "report.html").read_text()
    assert places_of(IN_QUOTES, printed, folder) == []
