"""The findings of a check, as JSON, as lines, and as one message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from bedrock_async_etl.check.notifications import Message
from bedrock_async_etl.formatting import MAX_LINES

Outcome = Literal["ok", "breach", "inconclusive"]

DATA: Final = "data"
"""The rule that there is data to check."""
ALL: Final = "all models together"
ALL_OTHERS: Final = "all other models together"
BREACHED: Final = 2
"""The exit code of a breach, and of wrong usage: whatever gates on it stops at both."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    rule: str
    """The name of a threshold without `max_`, or DATA."""
    subject: str
    """A model's id, or a scope."""
    outcome: Outcome
    """`inconclusive` is no breach: the sample is too small, too many are open, or none is there."""
    text: str
    """One line that has the value, how sure it is, and the threshold; of a breach, where and since
    when."""
    value: float | None = None
    """A share, or seconds; None where it is not known."""
    threshold: float | None = None
    sample_size: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Counts, bounds, an example."""
    model_id: str | None = None
    """The model of a rate or a percentile, where it is of one."""
    remedy: str = ""
    """Remedy of a breach."""

    @property
    def title(self) -> str:
        return "no data" if self.rule == DATA else self.rule.replace("_", " ")

    @property
    def message(self) -> str:
        """The text, and the remedy of a breach."""
        if self.outcome != "breach" or not self.remedy:
            return self.text
        return f"{self.text.rstrip('.')}. Next: {self.remedy}."

    @property
    def line(self) -> str:
        return f"{self.title} of {self.subject}: {self.message}"

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "subject": self.subject,
            "outcome": self.outcome,
            "value": self.value,
            "threshold": self.threshold,
            "sample_size": self.sample_size,
            **self.evidence,
            "text": self.message,
        }


@dataclass(frozen=True)
class Verdict:
    """All findings of a check."""

    findings: Sequence[Finding]
    since: datetime | None = None
    """The window of rates and percentiles: [since, until)."""
    until: datetime | None = None

    def of(self, outcome: Outcome) -> list[Finding]:
        """The findings with an outcome."""
        return [finding for finding in self.findings if finding.outcome == outcome]

    @property
    def breaches(self) -> list[Finding]:
        return self.of("breach")

    @property
    def exit_code(self) -> int:
        """0 when nothing breaches, else 2."""
        return BREACHED if self.breaches else 0

    def as_json(self) -> dict[str, Any]:
        """The document of `check --json`."""
        return {
            "exit_code": self.exit_code,
            "since": self.since,
            "until": self.until,
            "breaches": [finding.as_json() for finding in self.breaches],
            "checked": [finding.as_json() for finding in self.findings],
        }

    def message(self, destination: str) -> Message:
        """The breaches in a destination, as they are posted."""
        number = len(self.breaches)
        count = "1 breach" if number == 1 else f"{number:,} breaches"
        lines = [f"- {finding.line}" for finding in self.breaches[:MAX_LINES]]
        if number > MAX_LINES:
            lines.append(f"and {number - MAX_LINES:,} more")
        title = f"bedrock-async-etl check: {count} in {destination}"
        return Message(title, "\n".join(lines), "failure")
