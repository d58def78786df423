"""Lines of a run: plain ones for people, JSON for a collector that takes nothing else."""

import json
import logging
import subprocess
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bedrock_async_etl import version
from bedrock_async_etl.cli import app
from bedrock_async_etl.logs import Logs
from bedrock_async_etl.models.sql_files import read_checks, read_models
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import query


@pytest.fixture
def listed(bedrock: Control) -> Control:
    bedrock.populate(ACCOUNT, REGION, 400, NOW - timedelta(days=3), NOW)
    return bedrock


def run(database: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        app, ["run", f"--database={database}", "--log-format=json", *arguments]
    )


def events(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


@pytest.mark.slow
def test_a_run_logs_each_event_as_a_json_object(listed: Control, database: Path) -> None:
    result = run(database)
    assert (result.exit_code, result.stdout) == (0, "")
    logged = events(result.stderr)
    names = [event["event"] for event in logged]
    models, checks = names.count("model_built"), names.count("check")
    assert names == [
        "run_started",
        "scope_finished",
        "slice_loaded",
        *["model_built"] * models,
        *["check"] * checks,
        "run_finished",
    ]
    assert (models, checks) == (len(read_models()), len(read_checks()))
    assert {event["level"] for event in logged} == {"info"}
    scope, finished = logged[1], logged[-1]
    assert (scope["account_id"], scope["region"], scope["rows_new"]) == (ACCOUNT, REGION, 400)
    assert (finished["exit_code"], finished["rows_loaded"], finished["scopes"]) == (0, 400, 1)
    assert (finished["version"], finished["models_built"]) == (version(), models)


def test_the_document_stays_on_stdout(listed: Control, database: Path) -> None:
    result = run(database, "--json", "--no-models")
    assert json.loads(result.stdout)["rows_loaded"] == 400
    assert [event["event"] for event in events(result.stderr)][-1] == "run_finished"


@pytest.mark.parametrize("arguments", [("--region", "nowhere"), ("--metrics", "missing/m.prom")])
@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_a_failure_is_json_too(
    listed: Control, database: Path, arguments: tuple[str, ...], debug: tuple[str, ...]
) -> None:
    result = run(database, *arguments, *debug)
    [event] = events(result.stderr)
    assert (result.exit_code, event["exit_code"], event["level"]) == (2, 2, "error")
    assert ("traceback" in event) == bool(debug)


@pytest.mark.slow
def test_what_fails_and_what_breaks_a_rule_are_above_info(
    listed: Control, database: Path, tmp_path: Path
) -> None:
    listed.faults(ACCOUNT, "eu-west-1", access_denied=True)
    (tmp_path / "own" / "checks").mkdir(parents=True)
    message = "from bedrock.async_invokes where failure_message is not null"
    (tmp_path / "own" / "checks" / "mine.sql").write_text(f"select failure_message {message}")
    result = run(
        database, "--region", REGION, "--region", "eu-west-1", "--models", str(tmp_path / "own")
    )
    raised = {
        (event["event"], event["level"])
        for event in events(result.stderr)
        if event["level"] != "info"
    }
    assert raised == {("scope_finished", "warning"), ("check", "error")}


@pytest.mark.slow
def test_neither_failure_messages_nor_credentials_are_logged(
    listed: Control, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own" / "checks").mkdir(parents=True)
    (tmp_path / "own" / "checks" / "mine.sql").write_text(
        "select failure_message from bedrock.async_invokes where failure_message is not null"
    )
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-very-secret-key")
    logged = run(database, "--models", str(tmp_path / "own"), "--debug").stderr
    messages = query(database, "select distinct failure_message from bedrock.async_invokes")
    assert [text for (text,) in messages if text and text in logged] == []
    assert "a-very-secret-key" not in logged


def test_records_of_dlt_and_others_and_warnings_are_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    own, before = logging.StreamHandler(sys.stderr), logging.getLogger("dlt").handlers[:]
    logging.getLogger("dlt").addHandler(own)
    with Logs() as logs:
        logs.use("json")
        # As dlt does when it begins: it takes what handler there is, and formats it.
        from dlt.common import logger

        dlt_logger = logger._create_logger("dlt", "WARNING", "{message}", "test", {})
        dlt_logger.warning("from dlt")
        logging.getLogger("botocore.retries").error("from %s", "botocore")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("from anywhere", UserWarning, stacklevel=1)
    assert logging.getLogger("dlt").handlers == [*before, own]
    logging.getLogger("dlt").removeHandler(own)
    logged = events(capsys.readouterr().err)
    assert [(event["logger"], event["level"]) for event in logged] == [
        ("dlt", "warning"),
        ("botocore.retries", "error"),
        ("py.warnings", "warning"),
    ]
    assert [event["message"] for event in logged[:2]] == ["from dlt", "from botocore"]
    assert "from anywhere" in logged[2]["message"]


def test_the_format_can_be_configured_and_a_wrong_one_is_logged(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["run", f"--database={database}", "--no-models"]
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__LOG_FORMAT", "json")
    assert events(CliRunner().invoke(app, command).stderr)[-1]["event"] == "run_finished"
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__LOG_FORMAT", "xml")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert result.stderr == "Error: log_format is one of text, json, not 'xml'.\n"


def test_a_variable_that_other_programs_use_is_not_taken_for_ours(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "logfmt")
    monkeypatch.setenv("METRICS", str(database.parent))
    result = CliRunner().invoke(app, ["run", f"--database={database}", "--no-models"])
    assert result.exit_code == 0, result.stderr


@pytest.mark.integration
def test_a_whole_process_logs_nothing_but_json(listed: Control, database: Path) -> None:
    """Warnings of imports and of the way out are among what a process may print."""
    command = [
        sys.executable,
        "-W",
        "always",
        "-m",
        "bedrock_async_etl",
        "run",
        "--log-format",
        "json",
    ]
    root = Path(__file__).parents[2]
    process = subprocess.run(
        [*command, f"--database={database}"], capture_output=True, text=True, cwd=root, check=True
    )
    assert events(process.stderr)[-1]["event"] == "run_finished"
    assert process.stdout == ""
