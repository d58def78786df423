"""Write a report: one HTML page of what the models say."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import duckdb

from bedrock_async_etl.configuration import configured
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.files.atomic_write import replace
from bedrock_async_etl.report.figures import read_figures
from bedrock_async_etl.report.page import render
from bedrock_async_etl.report.periods import parse_period
from bedrock_async_etl.report.redaction import redacted

SECTION: Final = "bedrock_async_etl.report"
DEFAULT_PERIOD: Final = "30d"


@dataclass(frozen=True)
class ReportOptions:
    """What a report shows."""

    days: int = 30
    is_redacted: bool = False
    quotas: Mapping[str, int] = field(default_factory=dict)
    """How many invocations of a model one account may have in flight in one region, by model id."""


@dataclass(frozen=True)
class ReportResult:
    """A report that was written."""

    path: Path
    bytes: int
    invocations: int
    """Of the longest period."""
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The document that `report --json` prints."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "invocations": self.invocations,
            "seconds": round(self.seconds, 3),
        }


def find_options(
    *,
    period: str | None = None,
    is_redacted: bool = False,
    quotas: Mapping[str, Any] | None = None,
) -> ReportOptions:
    """The options given, else those that dlt's configuration has; raises `UsageError`."""
    limits = (configured(SECTION, "quotas", dict) or {}) | dict(quotas or {})
    try:
        numbers = {model: int(limit) for model, limit in limits.items()}
    except (TypeError, ValueError):
        raise UsageError("A quota is a whole number of invocations, by model id.") from None
    return ReportOptions(
        parse_period(period or configured(SECTION, "period", str) or DEFAULT_PERIOD),
        is_redacted or bool(configured(SECTION, "redact", bool)),
        numbers,
    )


def write_report(destination: Destination, path: Path, options: ReportOptions) -> ReportResult:
    """Write the page to a file, which is replaced at once where there is one.

    Raises `CommandError` where there are no models, or the file cannot be written.
    """
    started = time.monotonic()
    figures = _figures(destination, options)
    page = render(figures).encode()
    try:
        replace(path, page)
    except OSError as error:
        raise CommandError(f"Cannot write {path}: {error.strerror}.") from error
    return ReportResult(path, len(page), _invocations(figures), time.monotonic() - started)


def _invocations(figures: Mapping[str, Any]) -> int:
    longest = figures["periods"][-1]["cohort"]
    totals = figures["totals"]
    return sum(
        invocations
        for cohort, invocations in zip(totals["cohort"], totals["invocations"], strict=True)
        if cohort == longest
    )


def _figures(destination: Destination, options: ReportOptions) -> dict[str, Any]:
    try:
        with destination.materialized() as connection:
            figures = read_figures(connection, options.days)
    except duckdb.CatalogException:
        raise CommandError(
            f"{destination} has no models yet: build them with `models`, or load with `run`."
        ) from None
    except duckdb.Error as error:
        raise CommandError(destination.explain(error)) from error
    figures |= {
        "quotas": [options.quotas.get(model) for model in figures["models"]],
        "destination": str(destination),
        "made_ms": time.time_ns() // 1_000_000,
        "version": version("bedrock-async-etl"),
        "is_redacted": options.is_redacted,
    }
    return redacted(figures) if options.is_redacted else figures
