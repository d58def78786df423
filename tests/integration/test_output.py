"""Output that cannot be written stops no work, and the exit code tells."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy, model_names
from tests.integration.budgets import crossed
from tests.integration.processes import COMMAND

pytestmark = pytest.mark.integration

RUNS = ("run", "run --json")
COMMANDS = (*RUNS, "status", "report report.html")
STDOUT = ("> /dev/full", ">&-", "| true")
STDERR = ("2> /dev/full", "2>&-", "2> >(true)", "<&- 2>&-")
LOST = "All is done, but stdout cannot be written: "


@pytest.fixture
def listed(bedrock: Control, database: Path) -> Control:
    bedrock.populate(ACCOUNT, REGION, 400, NOW - timedelta(days=3), NOW)
    return bedrock


def shell(database: Path, command: str, where: str) -> tuple[int, str]:
    """Exit code, and stderr where it is not given away."""
    line = f"{' '.join(COMMAND)} {command} --database={database} {where}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stderr


def work(database: Path, command: str, where: str) -> tuple[int, str]:
    """The command after what it needs."""
    if not command.startswith("run"):
        assert shell(database, "run", "> /dev/null")[0] == 0
    return shell(database, command, where)


@pytest.mark.parametrize(("command", "where"), crossed(COMMANDS, STDOUT))
def test_stdout_that_cannot_be_written_is_exit_code_1_after_all_the_work(
    listed: Control, database: Path, command: str, where: str
) -> None:
    exit_code, stderr = work(database, command, where)
    assert (exit_code, stderr.count(LOST), "Traceback" in stderr) == (1, 1, False)
    assert_exact_copy(database, listed)
    assert len(model_names(database)) > 10
    assert database.with_name("report.html").exists() == command.startswith("report")


@pytest.mark.parametrize(("command", "where"), crossed(RUNS, STDERR))
def test_stderr_that_cannot_be_written_changes_nothing(
    listed: Control, database: Path, command: str, where: str
) -> None:
    assert shell(database, command, f"> out.txt {where}")[0] == 0
    assert_exact_copy(database, listed)
    assert len(model_names(database)) > 10
    assert database.with_name("out.txt").stat().st_size > 0


def test_an_exit_code_that_says_more_stays(listed: Control, database: Path) -> None:
    listed.faults(ACCOUNT, "eu-west-1", access_denied=True)
    regions = f"--region {REGION} --region eu-west-1"
    assert shell(database, f"run --no-models {regions}", "> /dev/full")[0] == 3


def test_text_that_the_encoding_lacks_is_written_all_the_same(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii:strict")
    snow = database.with_name("snöw.duckdb")
    assert shell(snow, "run", "> out.txt")[0] == 0
    assert "sn\\xf6w.duckdb" in database.with_name("out.txt").read_text()


@pytest.mark.parametrize("arguments", ["--help", "--version", "run --help"])
def test_help_that_cannot_be_written_is_exit_code_1(database: Path, arguments: str) -> None:
    line = f"{' '.join(COMMAND)} {arguments} > /dev/full"
    done = subprocess.run(["bash", "-c", line], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
