"""Commands timed as whole processes, in turn, so that a noisy machine is noisy for all of them."""

import json
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Timing:
    """Wall times of a command's runs, in seconds."""

    seconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def in_turn(commands: Mapping[str, Sequence[str]], runs: int) -> dict[str, Timing]:
    """Run each command `runs` times, alternating."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            started = time.monotonic()
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.monotonic() - started)
    return {name: Timing(times) for name, times in seconds.items()}


def save(name: str, result: Mapping[str, Any]) -> Path:
    """Keep a result beside the benchmarks."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path
