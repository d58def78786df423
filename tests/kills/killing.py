"""Real SIGKILLs of the command, from outside: at any time, and as it writes."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 0.5
"""Python and its imports: nothing is written before."""

Way = Literal["at any time", "as it writes"]
Files = dict[str, tuple[int, int]]
"""Sizes and times of change."""


@dataclass
class Killer:
    """Kills commands, and learns from those that get to their end how long there is for it."""

    rng: random.Random
    seconds: dict[str, float] = field(default_factory=dict)
    writes: dict[str, int] = field(default_factory=dict)

    def kill(self, arguments: Sequence[str], way: Way, folders: Sequence[Path]) -> bool:
        """Start the command and kill it; False where it ended before."""
        started, seen = time.monotonic(), 0
        with tempfile.TemporaryFile() as told:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipelines", *arguments], cwd=ROOT, stdout=told, stderr=told
            )
            if way == "at any time":
                time.sleep(self.rng.uniform(START_SECONDS, self.seconds.get(arguments[0], 3)))
            else:
                nth = self.rng.randint(1, self.writes.get(arguments[0], 20))
                seen = _watch(process, folders, nth)
            process.kill()
            if process.wait() == -signal.SIGKILL:
                return True
            told.seek(0)
            assert process.returncode == 0, told.read().decode()
        self._learn(arguments[0], time.monotonic() - started, seen)
        return False

    def _learn(self, command: str, seconds: float, writes: int) -> None:
        self.seconds[command] = max(seconds, START_SECONDS)
        if writes:
            self.writes[command] = writes


def _watch(process: subprocess.Popen[bytes], folders: Sequence[Path], nth: int) -> int:
    """Wait for the n-th time that something is written; returns the times that it saw."""
    before, seen = _files(folders), 0
    while seen < nth and process.poll() is None:
        now = _files(folders)
        seen, before = seen + (now != before), now
    return seen


def _files(folders: Sequence[Path]) -> Files:
    return {path: times for folder in folders for path, times in _files_of(str(folder))}


def _files_of(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_of(entry.path)
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield entry.path, (status.st_size, status.st_mtime_ns)
