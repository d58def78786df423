"""Others read a DuckDB file while it is loaded, and commands wait for those that hold it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import load
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy
from tests.holders import PROGRAM, held
from tests.integration.budgets import cases, crossed
from tests.integration.processes import start, wait_for_event

pytestmark = pytest.mark.integration


LATENCY_SECONDS = 12.0
TRY_SECONDS = 0.1
AT_ONCE_SECONDS = 10.0
"""More than a busy machine needs to end a process, far less than what the command waits for."""
LONG = "--wait=1h"


@pytest.fixture
def loaded(bedrock: Control, database: Path) -> Control:
    """A copy of what was listed a day before the service's time."""
    bedrock.populate(ACCOUNT, REGION, 4_000, NOW - timedelta(days=5), NOW + timedelta(days=5))
    load(DuckDBDestination(database))
    bedrock.advance(timedelta(days=1))
    bedrock.reset_calls()
    return bedrock


def run(database: Path, *arguments: str) -> "subprocess.Popen[str]":
    options = (f"--database={database}", "--no-models", "--log-format=json", "--json", *arguments)
    return start("run", *options)


def ended(process: "subprocess.Popen[str]") -> tuple[int, dict[str, Any]]:
    """The exit code, and the document on stdout."""
    stdout, _ = process.communicate()
    return process.returncode, json.loads(stdout)


def waiting_message(process: "subprocess.Popen[str]") -> str:
    """What a run says when it begins to wait."""
    assert process.stderr
    events = (json.loads(line) for line in process.stderr)
    return next(str(each["message"]) for each in events if each["event"] == "waiting")


def calls(bedrock: Control) -> int:
    return sum(counters["list_calls"] for counters in bedrock.calls().values())


def can_be_read(database: Path) -> bool:
    try:
        duckdb.connect(database, read_only=True).close()
    except duckdb.IOException:
        return False
    return True


@contextmanager
def writing(database: Path) -> Iterator[tuple["subprocess.Popen[str]", Callable[[], None]]]:
    """A run that builds a model from a pipe, and so holds the file until it is let go on."""
    pipe, models = database.with_name("pipe"), database.with_name("models")
    os.mkfifo(pipe)
    models.mkdir()
    (models / "waits.sql").write_text(
        f"select * from read_csv('{pipe}', header = false, columns = {{'a': 'integer'}})"
    )
    process = start("run", f"--database={database}", f"--models={models}")
    with pipe.open("w") as content:  # Opens once the model reads it.
        yield process, content.close


def test_the_file_is_open_to_readers_while_a_run_waits_for_answers(
    loaded: Control, database: Path
) -> None:
    loaded.faults(hang_rate=1.0, hang_seconds=600.0)
    process = run(database)
    assert process.stderr
    wait_for_event(process.stderr, "run_started")
    tries = [can_be_read(database) for _ in range(100)]
    process.kill()
    process.communicate()
    assert all(tries)


@pytest.mark.soak
def test_readers_find_the_file_open_nearly_all_the_time(loaded: Control, database: Path) -> None:
    loaded.faults(latency_seconds=LATENCY_SECONDS)
    process = run(database)
    tries = []
    while process.poll() is None:
        tries.append(can_be_read(database))
        time.sleep(TRY_SECONDS)
    assert ended(process)[0] == 0
    assert len(tries) >= 100
    assert sum(tries) >= 0.9 * len(tries)
    assert_exact_copy(database, loaded)


def test_a_run_waits_for_a_reader(loaded: Control, database: Path) -> None:
    with held(database) as (reader, release):
        process = run(database, LONG)
        assert waiting_message(process) == (
            f"Waiting up to 1 h for PID {reader.pid} ({PROGRAM}), which holds {database}."
        )
        release()
        assert ended(process)[0] == 0
    assert_exact_copy(database, loaded)


def test_what_was_read_is_kept_for_the_next_run_where_a_reader_stays(
    loaded: Control, database: Path
) -> None:
    with held(database) as (reader, _):
        exit_code, document = ended(run(database, "--wait=0s"))
        assert (exit_code, document["exit_code"]) == (75, 75)
        assert document["error"] == (
            f"{database} is in use by PID {reader.pid} ({PROGRAM}). Try again when it has "
            "finished, or wait longer with --wait. What was read is kept, and loaded by the next "
            "run."
        )
        assert calls(loaded) > 0
        loaded.reset_calls()
        assert ended(run(database, "--wait=1s"))[0] == 75
        assert calls(loaded) == 0
    exit_code, recovered = ended(run(database))
    assert exit_code == 0
    assert recovered["rows_recovered"] > 0
    assert recovered["rows_loaded"] == 0
    assert_exact_copy(database, loaded)
    assert calls(loaded) == recovered["scopes"][0]["calls"]
    _, nothing_new = ended(run(database))
    assert recovered["scopes"][0]["calls"] == nothing_new["scopes"][0]["calls"]


def test_the_first_rows_of_all_are_kept_too(bedrock: Control, database: Path) -> None:
    """In a file of somebody's, which has no tables of ours yet."""
    bedrock.populate(ACCOUNT, REGION, 3_000, NOW - timedelta(days=5), NOW)
    duckdb.connect(database).execute("create table theirs as select 1 as a").close()
    with held(database):
        assert ended(run(database, "--wait=0s"))[0] == 75
    exit_code, document = ended(run(database))
    assert (exit_code, document["rows_recovered"], document["rows_loaded"]) == (0, 3_000, 0)
    assert_exact_copy(database, bedrock)


def test_a_second_run_waits_for_the_first_by_its_name_and_goes_on(
    loaded: Control, database: Path
) -> None:
    with writing(database) as (first, go_on):
        second = run(database, LONG)
        name = f"PID {first.pid} (bedrock-async-etl run)"
        assert waiting_message(second) == f"Waiting up to 1 h for {name}, which holds {database}."
        go_on()
        first.communicate()
        exit_code, document = ended(second)
    assert (first.returncode, exit_code) == (0, 0)
    assert document["rows_loaded"] == 0
    assert_exact_copy(database, loaded)


@pytest.mark.parametrize(
    "command",
    cases([(["status"],), (["check", "--max-lag=9999d"],), (["report", "out"],)], [(["status"],)]),
)
def test_our_own_readers_wait_for_a_run_that_writes(
    command: list[str], loaded: Control, database: Path
) -> None:
    with writing(database) as (writer, go_on):
        reader = start(*command, f"--database={database}", LONG)
        assert reader.stderr
        name = f"PID {writer.pid} (bedrock-async-etl run)"
        assert (
            reader.stderr.readline() == f"Waiting up to 1 h for {name}, which holds {database}.\n"
        )
        go_on()
        _, stderr = reader.communicate()
        writer.communicate()
    assert (writer.returncode, reader.returncode, stderr) == (0, 0, "")


def test_a_reader_of_ours_that_waited_in_vain_is_exit_code_75(
    loaded: Control, database: Path
) -> None:
    with held(database, read_only=False) as (writer, _):
        status = start("status", f"--database={database}", "--wait=0s")
        _, stderr = status.communicate()
    assert status.returncode == 75
    assert stderr == (
        f"Error: {database} is in use by PID {writer.pid} ({PROGRAM}). Try again when it has "
        "finished, or wait longer with --wait.\n"
    )


@pytest.mark.parametrize(
    ("is_file_held", "number"), crossed([True, False], [signal.SIGINT, signal.SIGTERM])
)
def test_a_signal_ends_a_wait_at_once(
    number: signal.Signals, is_file_held: bool, loaded: Control, database: Path
) -> None:
    with held(database) if is_file_held else FileLock(f"{database}.lock"):
        process = run(database, LONG)
        assert process.stderr
        wait_for_event(process.stderr, "waiting")
        process.send_signal(number)
        try:
            process.communicate(timeout=AT_ONCE_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 128 + number
    assert load(DuckDBDestination(database)).exit_code == 0
    assert_exact_copy(database, loaded)
