"""Signals end a command at once, with one line and the exit code that shells have for them."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy
from tests.integration.processes import start, wait_for_event

pytestmark = pytest.mark.integration

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
FIRST_PROCESS = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Makes a command the first process of a container, for which the kernel ignores signals."""
AT_ONCE_SECONDS = 10.0
"""More than a busy machine needs to end a process, far less than what the command waits for."""
ENDLESS = """
select count(*) as number
from bedrock_analytics.model_summary, range(1_000_000_000) as a, range(1_000_000_000) as b
where a.range * b.range % 7 = 3
"""


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """Processes do not inherit from `nohup` that they ignore SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def listed(bedrock: Control, database: Path) -> Control:
    bedrock.populate(ACCOUNT, REGION, 400, NOW - timedelta(days=3), NOW)
    return bedrock


@pytest.fixture
def hanging(listed: Control) -> Control:
    listed.faults(hang_rate=1.0, hang_seconds=600.0)
    return listed


def last_exit_code(metrics: Path) -> float:
    [found] = re.findall(r"^bedrock_async_last_run_exit_code{.*} (.+)$", metrics.read_text(), re.M)
    return float(found)


def run(database: Path, *arguments: str, before: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    metrics = f"--metrics={database.with_name('bedrock.prom')}"
    options = (f"--database={database}", metrics, "--log-format=json", *arguments)
    return start("run", *options, before=before)


def assert_ends(process: "subprocess.Popen[str]", database: Path, number: signal.Signals) -> None:
    """It ends at once, with one line more and with metrics; the next run completes the copy."""
    try:
        _, stderr = process.communicate(timeout=AT_ONCE_SECONDS)
    finally:
        process.kill()
    ends = [json.loads(line) for line in stderr.splitlines() if '"level": "info"' not in line]
    assert [(end["event"], end["exit_code"]) for end in ends] == [("interrupted", SIGNALS[number])]
    assert ends[0]["message"].startswith(f"Interrupted by {number.name}. What was finished is")
    assert process.returncode == SIGNALS[number]
    assert last_exit_code(database.with_name("bedrock.prom")) == SIGNALS[number]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_run_that_waits_for_answers(
    hanging: Control, database: Path, number: signal.Signals
) -> None:
    process = run(database)
    assert process.stderr
    wait_for_event(process.stderr, "run_started")
    process.send_signal(number)
    assert_ends(process, database, number)
    hanging.clear_faults()
    load(DuckDBDestination(database))
    assert_exact_copy(database, hanging)


def test_a_signal_ends_a_query_of_the_models(listed: Control, database: Path) -> None:
    """DuckDB makes an error of its own of a signal."""
    models = database.with_name("models")
    models.mkdir()
    (models / "endless.sql").write_text(ENDLESS)
    process = run(database, f"--models={models}")
    assert process.stderr
    wait_for_event(process.stderr, "model_built", name="model_summary")
    process.send_signal(signal.SIGTERM)
    assert_ends(process, database, signal.SIGTERM)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_first_process_of_a_container(
    hanging: Control, database: Path, number: signal.Signals
) -> None:
    process = run(database, before=FIRST_PROCESS)
    assert process.stderr
    wait_for_event(process.stderr, "run_started")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    subprocess.run(["kill", f"-{number.value}", *children], check=True)
    assert_ends(process, database, number)


def test_timeout_sends_its_signal_twice_and_metrics_are_written(
    hanging: Control, database: Path
) -> None:
    process = run(database, before=("timeout", "--preserve-status", "600"))
    assert process.stderr
    wait_for_event(process.stderr, "run_started")
    process.send_signal(signal.SIGTERM)
    assert_ends(process, database, signal.SIGTERM)


def test_nohup_keeps_a_run_from_ending_with_its_terminal(hanging: Control, database: Path) -> None:
    process = run(database, before=("nohup",))
    assert process.stderr
    wait_for_event(process.stderr, "run_started")
    process.send_signal(signal.SIGHUP)
    hanging.clear_faults()
    process.send_signal(signal.SIGTERM)
    assert_ends(process, database, signal.SIGTERM)
