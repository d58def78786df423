"""Lines of the benchmarks' report."""

import json
import statistics
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.processes import Timing


@dataclass(frozen=True)
class Figure:
    """A line of the report."""

    scenario: str
    command: str
    seconds: list[float]
    cpu_seconds: float
    peak_mb: float
    calls: int | None = None
    held_against: str = ""
    ratio: float | None = None
    goal: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def holds(self) -> bool:
        return self.ratio is None or self.goal is None or self.ratio <= self.goal

    def as_json(self) -> dict[str, Any]:
        """All of it, and the median."""
        return asdict(self) | {"median": round(self.median, 3)}


def figure(scenario: str, command: str, timing: Timing, **compared: Any) -> Figure:
    """A line from the runs of a command."""
    return Figure(
        scenario,
        command,
        timing.seconds,
        round(timing.cpu_seconds, 2),
        round(timing.peak_mb),
        **compared,
    )


def calls_of(timing: Timing) -> int:
    """Calls that the last run reports."""
    return sum(scope["calls"] for scope in json.loads(timing.runs[-1].output)["scopes"])
