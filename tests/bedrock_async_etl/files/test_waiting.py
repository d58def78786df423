"""Commands wait for other processes, know their names, and end with one line that has them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path

import pytest

from bedrock_async_etl.errors import BusyError
from bedrock_async_etl.files.waiting import HeldError, Holder, signed, wait_while_held
from bedrock_async_etl.logs import LOGS

OTHER = Holder(os.getppid(), "bedrock-async-etl export")


def attempts(*failures: Holder | None) -> Callable[[], str]:
    """An attempt that finds these holders, one each time, and then succeeds."""
    holders = iter(failures)

    def attempt() -> str:
        for holder in holders:
            raise HeldError(holder)
        return "done"

    return attempt


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    path = tmp_path / "copy.duckdb.lock"
    path.touch()
    return path


def test_what_is_free_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    with LOGS:
        assert wait_while_held(attempts(), "copy.duckdb", 60) == "done"
    assert capsys.readouterr().err == ""


def test_one_line_says_for_whom_a_command_waits(capsys: pytest.CaptureFixture[str]) -> None:
    with LOGS:
        assert wait_while_held(attempts(OTHER, OTHER, None), "copy.duckdb", 90) == "done"
    assert capsys.readouterr().err == (
        f"Waiting up to 1 min 30 s for PID {OTHER.pid} (bedrock-async-etl export), which holds "
        "copy.duckdb.\n"
    )


@pytest.mark.parametrize("seconds", [0, 0.1])
def test_after_the_wait_one_line_names_who_holds_it_then(seconds: float) -> None:
    """Not who held it at first."""
    holders = repeat(OTHER) if not seconds else chain([None], repeat(OTHER))
    with pytest.raises(BusyError) as raised:
        wait_while_held(attempts(*[next(holders) for _ in range(1_000)]), "copy.duckdb", seconds)
    assert str(raised.value) == (
        f"copy.duckdb is in use by PID {OTHER.pid} (bedrock-async-etl export). Try again when it "
        "has finished, or wait longer with --wait."
    )


def test_a_signal_ends_a_wait_at_once() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            wait_while_held(attempts(*[OTHER] * 10_000), "copy.duckdb", 3_600)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("arguments", "program"),
    [
        (["/opt/.venv/bin/bedrock-async-etl", "run", "--external-id=x"], "bedrock-async-etl run"),
        (["/a/bedrock_async_etl/__main__.py", "export", "out"], "bedrock-async-etl export"),
        (["/usr/bin/airflow", "worker", "secret"], "airflow"),
        (["-c"], Path(sys.executable).name),
        ([""], Path(sys.executable).name),
    ],
)
def test_a_process_is_named_by_its_command_without_what_may_be_secret(
    arguments: list[str], program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    assert Holder.current() == Holder(os.getpid(), program)


def test_a_lock_file_has_its_holder_while_it_is_held(
    lock_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["bedrock-async-etl", "run"])
    with signed(lock_file):
        assert lock_file.read_text() == f"PID {os.getpid()} (bedrock-async-etl run)\n"
        assert Holder.of(lock_file) == Holder.current()
    assert lock_file.read_bytes() == b""
    assert Holder.of(lock_file) is None


def test_the_name_that_a_killed_process_left_counts_no_more_and_is_replaced(
    lock_file: Path,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lock_file.write_text(f"PID {ended.pid} (bedrock-async-etl organization-wide export)\n")
    assert Holder.of(lock_file) is None
    with signed(lock_file):
        assert Holder.of(lock_file) == Holder.current()


@pytest.mark.parametrize(
    "content", [b"precious notes", b"\xff\x00", b"PID x (run)", b"PID 1 (a)\nPID 2 (b)", b"x" * 999]
)
def test_what_somebody_else_has_in_a_lock_file_stays_and_names_nobody(
    lock_file: Path, content: bytes
) -> None:
    lock_file.write_bytes(content)
    with signed(lock_file):
        assert Holder.of(lock_file) is None
    assert lock_file.read_bytes() == content


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_nothing_is_written_through_a_link(
    lock_file: Path, link: Callable[[Path, Path], None]
) -> None:
    other = lock_file.with_name("other")
    other.touch()
    lock_file.unlink()
    link(other, lock_file)
    with signed(lock_file):
        assert other.read_bytes() == b""


def test_a_lock_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    with signed(tmp_path / "missing" / "copy.duckdb.lock"):
        pass
