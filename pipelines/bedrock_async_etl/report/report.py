"""Write a report: one HTML page of the models' figures and charts."""

import difflib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from bedrock_async_etl import version
from bedrock_async_etl.configuration import configured, configured_options, shared_files
from bedrock_async_etl.destinations import STALE_AFTER, Destination
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.files.atomic_write import replace
from bedrock_async_etl.options import REPORT_SECTION, ReportOptions
from bedrock_async_etl.report.figures import read_figures
from bedrock_async_etl.report.page import render
from bedrock_async_etl.report.periods import parse_period

SENSITIVE: Final = {
    "examples": ("invocation_arn", "failure_message"),
    "incidents": ("example_arn",),
    "open_invocations": ("invocation_arn", "output_s3_uri"),
    "freshness": ("last_error",),
}
"""Columns of the figures that a redacted report leaves out."""
ACCOUNT_ID: Final = re.compile(r"\d{12}")
SETTINGS: Final = "set preserve_insertion_order = false"
"""All queries say how their rows are ordered."""
MEMORY_LIMIT: Final = "set memory_limit = '200MB'"
"""Enough for millions of invocations, and little for a machine that has other work."""


@dataclass(frozen=True)
class ReportResult:
    """A report that was written."""

    path: Path
    bytes: int
    invocations: int
    """Of the longest period."""
    seconds: float
    warnings: Sequence[str]
    """Quotas of models that the page does not show."""

    @property
    def message(self) -> str:
        """The result, in one line."""
        return (
            f"Wrote {self.path}: {self.invocations:,} invocations, {self.bytes / 1e6:.1f} MB, "
            f"in {self.seconds:.1f} s. Open it in a browser."
        )

    def as_json(self) -> dict[str, Any]:
        """The document that `report --json` prints."""
        return vars(self) | {"path": str(self.path), "seconds": round(self.seconds, 3)}


def find_options(*, quotas: Sequence[str] = (), **given: Any) -> ReportOptions:
    """The options given, else those that dlt's configuration has.

    The configuration has quotas as a table; the ones given win model by model.
    """
    table = configured("quotas", dict, REPORT_SECTION) or {}
    every = [*(f"{model}={limit}" for model, limit in table.items()), *quotas]
    return configured_options(ReportOptions, {**given, "quotas": every})


def write_report(
    destination: Destination, path: Path, options: ReportOptions | None = None
) -> ReportResult:
    """Write the page to a file, which is replaced at once where there is one.

    Raises `UsageError` for options that cannot be read, and `CommandError` where there are no
    models, or the file cannot be written.
    """
    started, options = time.monotonic(), options or ReportOptions()
    quotas = _parse_quotas(options.quotas or ())
    figures = _figures(destination, options, quotas)
    page = render(figures).encode()
    try:
        with shared_files():
            replace(path, page)
    except OSError as error:
        raise CommandError(f"Cannot write {path}: {error.strerror}.") from error
    invocations = figures["invocations"]
    warnings = list(_unused_quotas(quotas, figures["models"]))
    return ReportResult(path, len(page), invocations, time.monotonic() - started, warnings)


def _figures(
    destination: Destination, options: ReportOptions, quotas: Mapping[str, int]
) -> dict[str, Any]:
    days = parse_period(options.period)
    try:
        figures = _read(destination, days)
    except duckdb.CatalogException:
        raise CommandError(
            f"{destination} has no models yet: build them with `models`, or load with `run`."
        ) from None
    except duckdb.Error as error:
        raise CommandError(destination.explain(error)) from error
    figures |= {
        "quotas": [quotas.get(model) for model in figures["models"]],
        "destination": str(destination),
        "made_ms": time.time_ns() // 1_000_000,
        "stale_seconds": STALE_AFTER.total_seconds(),
        "version": version(),
        "is_redacted": options.redact,
    }
    return _redacted(figures) if options.redact else figures


def _read(destination: Destination, days: int) -> dict[str, Any]:
    """The figures, read in little memory; where that is too little, in what the machine has."""
    try:
        with destination.snapshot() as connection:
            connection.execute(f"{SETTINGS}; {MEMORY_LIMIT}")
            return read_figures(connection, days)
    except duckdb.OutOfMemoryException:
        with destination.snapshot() as connection:
            connection.execute(SETTINGS)
            return read_figures(connection, days)


def _parse_quotas(texts: Sequence[str]) -> dict[str, int]:
    """Quotas by model, from texts such as `amazon.nova-reel-v1:1=10`; the last of a model wins."""
    quotas = {}
    for text in texts:
        model, _, limit = text.rpartition("=")
        if not model or not limit.isdecimal():
            raise UsageError(
                f"--quota {text!r} is not MODEL=N with a whole number of invocations, such as "
                "amazon.nova-reel-v1:1=10."
            )
        quotas[model] = int(limit)
    return quotas


def _unused_quotas(quotas: Mapping[str, int], models: Sequence[str | None]) -> Iterator[str]:
    """A line for each quota of a model that the page does not show.

    A quota is no error before the first invocation, or after the last: it may be configured.
    """
    shown = [model for model in models if model]
    for model in [model for model in quotas if model not in shown]:
        near = difflib.get_close_matches(model, shown, 1)
        hint = f"did you mean {near[0]}?" if near else f"it shows {', '.join(shown) or 'none'}."
        yield f"--quota {model}: the report shows no such model: {hint}"


def _redacted(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures without messages, errors, ARNs and outputs, and with numbers for accounts.

    A path or a bucket may have an account id in its name, so the destination is left out, too; so
    may a model whose ARN is not like others.
    """
    tables = {
        name: figures[name] | {column: [None] * len(figures[name][column]) for column in columns}
        for name, columns in SENSITIVE.items()
    }
    accounts, fresh = figures["accounts"], figures["freshness"]["account_id"]
    names = {each: f"account {at}" for at, each in enumerate(dict.fromkeys([*accounts, *fresh]), 1)}
    tables["freshness"]["account_id"] = [names[account] for account in fresh]
    models = [
        f"model {at}" if model and ACCOUNT_ID.search(model) else model
        for at, model in enumerate(figures["models"], 1)
    ]
    labels = {"accounts": [names[account] for account in accounts], "models": models}
    return {**figures, **tables, **labels, "destination": None}
