"""What a run says of itself: the rows of `extract_runs` and `vanished_invokes`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

import pyarrow as pa
from botocore.exceptions import ClientError

from .masking import masked
from .records import TIMESTAMP

REMEDIES: Final = {
    # What STS says of a role; Bedrock and Organizations have a code with another ending.
    "AccessDenied": "Let the role trust the caller, and allow the caller sts:AssumeRole on it.",
    "AccessDeniedException": "Allow bedrock:ListAsyncInvokes.",
    "ExpiredTokenException": "Renew the credentials.",
    "UnrecognizedClientException": "Check the credentials, and that the region is enabled.",
}

LINE_LENGTH: Final = 1_000
"""Characters that are told of an error."""

RUNS_SCHEMA: Final = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("region", pa.string(), nullable=False),
        pa.field("started_at", TIMESTAMP),
        pa.field("finished_at", TIMESTAMP),
        pa.field("outcome", pa.string()),
        pa.field("error", pa.string()),
        pa.field("calls", pa.int64()),
        pa.field("throttled", pa.int64()),
        pa.field("pages", pa.int64()),
        pa.field("rows_read", pa.int64()),
        pa.field("rows_new", pa.int64()),
        pa.field("rows_changed", pa.int64()),
        pa.field("open_invocations", pa.int64()),
        pa.field("vanished", pa.int64()),
        pa.field("submitted_through", TIMESTAMP),
        pa.field("quarantined", pa.int64()),
        pa.field("quarantine_reason", pa.string()),
    ]
)
"""The columns of `extract_runs`: one row per scope and run."""

VANISHED_SCHEMA: Final = pa.schema(
    [pa.field("invocation_arn", pa.string(), nullable=False), pa.field("vanished_at", TIMESTAMP)]
)
"""The columns of `vanished_invokes`: open invocations that the listing no longer has."""


@dataclass
class ScopeReport:
    """What one run did in one scope: a row of `extract_runs`.

    Calls, pages and rows read are counted while it is read; the rest is known when it was read.
    """

    run_id: str
    account_id: str
    region: str
    started_at: datetime
    finished_at: datetime | None = None
    outcome: Literal["ok", "failed"] | None = None
    """None while the scope is being read."""
    error: str | None = None
    calls: int = 0
    throttled: int = 0
    pages: int = 0
    rows_read: int = 0
    rows_new: int = 0
    rows_changed: int = 0
    open_invocations: int = 0
    vanished: int = 0
    submitted_through: datetime | None = None
    quarantined: int = 0
    """Rows that were listed, but whose ARNs are of another account or region: none is loaded."""
    quarantine_reason: str | None = None

    @property
    def has_news(self) -> bool:
        """Whether it failed, or anything was found that had not been known."""
        return self.outcome != "ok" or any(
            (self.rows_new, self.rows_changed, self.vanished, self.quarantined)
        )


class Observer(Protocol):
    """Is told how a run goes, for a progress bar or a log."""

    def run_started(self, scopes: int) -> None:
        """So many scopes are going to be read."""

    def scope_started(self, report: ScopeReport) -> None:
        """A scope is being read: its report counts up from now on. Called by any thread."""

    def scope_read(self, report: ScopeReport, share: float) -> None:
        """A `share` of a scope, in 0..1, was taken in; an outcome makes its report final."""

    def slice_read(self, rows: int) -> None:
        """So many new and changed rows are handed over, and loaded before there are more."""


def describe(error: BaseException) -> str:
    """Class and message in one line, with the remedy where it is known, and no credential."""
    if not isinstance(error, ClientError):
        return one_line(f"{type(error).__name__}: {error}")
    code = str(error.response.get("Error", {}).get("Code", type(error).__name__))
    message = str(error.response.get("Error", {}).get("Message") or "")
    told = one_line(f"{code}: {message}").rstrip(":")
    sentence = told if told.endswith((".", "!", "?")) else f"{told}."
    return f"{sentence} {REMEDIES.get(code, '')}".rstrip()


def one_line(text: str) -> str:
    """Text that others wrote: one line, not endless, no credential, nothing a terminal obeys."""
    line = masked(" ".join(text[: 2 * LINE_LENGTH].split()))
    shortened = line if len(line) <= LINE_LENGTH else f"{line[:LINE_LENGTH]}…"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in shortened
    )
