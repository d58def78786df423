"""All that the emulator knows of one account in one region."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from .faults import Faults
from .injector import Injector
from .invocations import NEVER, RAW, Invocations, random_id
from .summaries import arn_prefix, template, to_json

COUNTERS = (
    "list_calls",
    "get_calls",
    "start_calls",
    "rows_served",
    "access_denied",
    "throttled",
    "error_500",
    "error_503",
    "reset",
    "cut_body",
    "hung",
    "empty_page",
    "short_page",
    "expired_token",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One invocation as it is submitted; ``end`` None means that it never ends."""

    model_arn: str
    submit: int
    end: int | None
    output: dict[str, Any]
    client_request_token: str | None = None
    failure_message: str | None = None


@dataclass(slots=True)
class Scope:
    """The invocations of an account in a region, what was counted, and what fails."""

    account: str
    region: str
    invocations: Invocations = field(default_factory=Invocations)
    counters: Counter[str] = field(default_factory=Counter)
    injector: Injector = field(init=False)
    list_calls: int = 0
    """All list calls ever: unlike the counters it is never reset, since tokens expire by it."""
    raw_ids: dict[str, str] = field(default_factory=dict)
    """From the invocationArn of each raw summary to the id that it is sorted by."""
    started: dict[str, tuple[str, str]] = field(default_factory=dict)
    """From a clientRequestToken to the digest of what it started, and the ARN."""
    rng: Random = field(init=False)
    ids: Random = field(init=False)
    """What invocations' ids are drawn from: equal calls in equal order give equal ARNs."""

    def __post_init__(self) -> None:
        """Start healthy."""
        self.rng = Random(f"{self.account}/{self.region}")
        self.ids = Random(f"{self.account}/{self.region}/ids")
        self.inject(Faults())

    def inject(self, faults: Faults) -> None:
        """Replace the faults."""
        self.injector = Injector(faults, f"{self.account}/{self.region}", self.count)

    def count(self, name: str, number: int = 1) -> None:
        """Count something that happened here."""
        self.counters[name] += number

    def submit(self, invocation: Invocation) -> str:
        """Take one invocation; returns its ARN."""
        rows, invocation_id = self.invocations, random_id(self.ids)
        message = invocation.failure_message
        rows.add(
            invocation.submit,
            NEVER if invocation.end is None else invocation.end,
            invocation_id,
            template(
                self.account,
                self.region,
                invocation.model_arn,
                invocation.output,
                invocation.client_request_token,
            ),
            0 if message is None else rows.intern_outcome(to_json(message)),
        )
        return arn_prefix(self.account, self.region) + invocation_id

    def put_raw(self, submit: int, summary: dict[str, Any]) -> None:
        """Take a summary that is listed exactly as it is."""
        invocation_id = random_id(self.ids)
        self.invocations.add(submit, NEVER, invocation_id, to_json(summary), RAW)
        arn = summary.get("invocationArn")
        if isinstance(arn, str):
            self.raw_ids[arn] = invocation_id

    def find(self, arn: str) -> int | None:
        """The row of an ARN, or None."""
        if arn in self.raw_ids:
            return self.invocations.find(self.raw_ids[arn])
        prefix = arn_prefix(self.account, self.region)
        row = self.invocations.find(arn.removeprefix(prefix)) if arn.startswith(prefix) else None
        if row is None or self.invocations.outcome[row] == RAW:
            return None
        return row
