"""What was checked, and what is not as it should be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

Rule = Literal["failure_rate", "p95", "open_age", "lag", "data"]
Outcome = Literal["ok", "breach", "untold"]

TITLES: Final[Mapping[Rule, str]] = {
    "failure_rate": "failure rate",
    "p95": "p95",
    "open_age": "open age",
    "lag": "lag",
    "data": "no data",
}
ALL: Final = "all models together"
ALL_OTHERS: Final = "all other models together"
BREACHED: Final = 2
"""The exit code of a breach, as that of wrong usage: whoever gates on it stops at both."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    rule: Rule
    subject: str
    """A model's id, or a scope."""
    outcome: Outcome
    """`untold` is no breach: too few to tell, or too many still open, or none at all."""
    text: str
    """What was found, in one line that has the value, the threshold and the sample's size."""
    value: float | None = None
    """A share, or seconds; None where it is not known."""
    threshold: float | None = None
    sample_size: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """What it was found by: counts, bounds, an example."""

    @property
    def line(self) -> str:
        return f"{TITLES[self.rule]} of {self.subject}: {self.text}"

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "subject": self.subject,
            "outcome": self.outcome,
            "value": self.value,
            "threshold": self.threshold,
            "sample_size": self.sample_size,
            **self.evidence,
            "text": self.text,
        }


@dataclass(frozen=True)
class Verdict:
    """Everything that was checked."""

    findings: Sequence[Finding]
    since: datetime | None = None
    """The window that rates and percentiles are of: [since, until)."""
    until: datetime | None = None

    @property
    def breaches(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.outcome == "breach"]

    @property
    def untold(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.outcome == "untold"]

    @property
    def exit_code(self) -> int:
        """0 when nothing breaches, else 2."""
        return BREACHED if self.breaches else 0

    def as_json(self) -> dict[str, Any]:
        """What `check --json` prints of it."""
        return {
            "exit_code": self.exit_code,
            "since": self.since,
            "until": self.until,
            "breaches": [finding.as_json() for finding in self.breaches],
            "checked": [finding.as_json() for finding in self.findings],
        }
