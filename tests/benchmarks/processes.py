"""Commands measured as whole processes, in turn: a noisy machine is noisy for all of them."""

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Measured:
    """What one process took."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


@dataclass(frozen=True)
class Timing:
    """What a command's runs took."""

    runs: Sequence[Measured]

    @property
    def seconds(self) -> list[float]:
        return [round(run.seconds, 3) for run in self.runs]

    @property
    def median(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(run.cpu_seconds for run in self.runs)

    @property
    def peak_mb(self) -> float:
        return max(run.peak_mb for run in self.runs)


def measure(command: Sequence[str]) -> Measured:
    """Run a command to its end; raises CalledProcessError where it fails."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def in_turn(
    commands: Mapping[str, Sequence[str]],
    runs: int,
    before_each: Callable[[str], None] = lambda name: None,
) -> dict[str, Timing]:
    """Run each command `runs` times, alternating; `before_each` is not measured."""
    measured: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            before_each(name)
            measured[name].append(measure(command))
    return {name: Timing(times) for name, times in measured.items()}


def save(name: str, result: Mapping[str, Any]) -> Path:
    """Keep a result beside the benchmarks."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path
