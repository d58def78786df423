"""Real SIGKILLs of a command: from outside at any time and as it writes, and at its own moments."""

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
from typing import Final

from tests.kills.moments import MOMENTS
from tests.kills.sites import Site

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 0.5
"""Python and its imports: nothing is written before."""
LOOK_SECONDS: Final = 0.0005
MANY_SECONDS: Final = 10
MANY_WRITES: Final = 200
"""Until a command ends before, which tells how many there are."""

AT_ANY_TIME: Final = "at any time"
AS_IT_WRITES: Final = "as it writes"
AS_DUCKDB_WRITES: Final = "as DuckDB writes"
"""To its file, or to the log beside it."""

Files = dict[str, tuple[int, int]]
"""Sizes and times of change."""


@dataclass
class Killer:
    """Kills the commands of a site, and learns from those that end before how far it can go."""

    site: Site
    rng: random.Random
    seconds: dict[str, float] = field(default_factory=dict)
    most: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many writes, or calls, a command comes to, as far as is known."""

    def kill(self, command: str, way: str) -> bool:
        """Start a command and kill it in a way, or at a moment; False where it ended before."""
        most = self.most.get((command, way), MOMENTS[way].times if way in MOMENTS else MANY_WRITES)
        nth, started = self.rng.randint(1, most), time.monotonic()
        with tempfile.TemporaryFile() as told:
            process = subprocess.Popen(
                [sys.executable, "-m", *self._module(way, nth), *self.site.arguments(command)],
                cwd=ROOT,
                stdout=told,
                stderr=told,
            )
            seen = self._strike(process, command, way, nth)
            if process.wait() == -signal.SIGKILL:
                self.most[command, way] = most + 1
                return True
            told.seek(0)
            assert process.returncode == 0, told.read().decode()
        self.seconds[command] = max(time.monotonic() - started, START_SECONDS)
        self.most[command, way] = max(1, seen)
        return False

    def _module(self, way: str, nth: int) -> list[str]:
        if way not in MOMENTS:
            return ["bedrock_async_etl"]
        return ["tests.kills.struck", way, str(nth), self.rng.choice(["before", "after"]), "--"]

    def _strike(self, process: subprocess.Popen[bytes], command: str, way: str, nth: int) -> int:
        """Kill it, unless it does so itself; returns how often it can have been seen to write."""
        if way in MOMENTS:
            return nth - 1
        if way == AT_ANY_TIME:
            time.sleep(self.rng.uniform(START_SECONDS, self.seconds.get(command, MANY_SECONDS)))
            seen = 0
        else:
            is_database = way == AS_DUCKDB_WRITES
            folders = [self.site.database.parent] if is_database else self.site.written_folders
            seen = _watch(process, folders, nth)
        process.kill()
        return seen


def _watch(process: subprocess.Popen[bytes], folders: Sequence[Path], nth: int) -> int:
    """Wait for the n-th time that something is written; returns the times that it saw."""
    before, seen = _files(folders), 0
    while seen < nth and process.poll() is None:
        time.sleep(LOOK_SECONDS)
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
