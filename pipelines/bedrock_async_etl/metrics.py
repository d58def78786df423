"""Metrics of a run in a file, for node_exporter's textfile collector and others.

All are gauges, which all of Prometheus's formats write and read alike.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self

import duckdb

from bedrock_async_etl import version
from bedrock_async_etl.configuration import configured
from bedrock_async_etl.destinations import Destination, configured_shard
from bedrock_async_etl.errors import CommandError, exit_code_of
from bedrock_async_etl.files.atomic_write import check_place, replace
from bedrock_async_etl.load import RunResult
from bedrock_async_etl.logs import log_error
from bedrock_async_etl.models.refresh import Refresh
from bedrock_async_etl.status import OPEN_INCIDENTS, Row, read_model, read_scopes
from bedrock_async_invokes.columns import ADDED_UP, EXTRACT_RUNS

if TYPE_CHECKING:
    from prometheus_client.metrics_core import GaugeMetricFamily

PREFIX: Final = "bedrock_async_"
MODELS: Final = "from bedrock_analytics.model_summary order by model_id"
READABLE: Final = 0o644
"""node_exporter is another user, and the file has counts, but no row of the copy."""
MAX_SCOPES: Final = 500
"""Scopes that have series of their own, where the configuration says nothing else."""

Subject = Literal["run", "scopes", "scope", "model"]


NOT_SHOWN: Final = ("_low", "_high", "_before")
"""Suffixes of columns that are bounds of another one, or of the period before."""


@dataclass(frozen=True)
class Metric:
    """A gauge: the one declaration of its name, its meaning, and the value that it shows."""

    name: str
    """Without the prefix."""
    subject: Subject
    value: str
    """The name of the value among those of the subject; with `label`, the beginning of names."""
    help: str
    label: str | None = None
    """A label whose values are the rest of those names."""

    def samples(self, values: Row) -> Iterator[tuple[dict[str, str], float]]:
        """The values that are known, each with the label of its own."""
        for name, value in values.items():
            is_part = name.startswith(self.value) and not name.endswith(NOT_SHOWN)
            is_shown = is_part if self.label else name == self.value
            if is_shown and value is not None:
                number = value.timestamp() if isinstance(value, datetime) else float(value)
                yield ({self.label: name.removeprefix(self.value)} if self.label else {}), number


COUNT_NAMES: Final = {
    "throttled": "throttled_calls",
    "vanished": "vanished_invocations",
    "quarantined": "quarantined_invocations",
}
"""Counts of `extract_runs` whose metric is not named like the column."""


def _counts(prefix: str, subject: Subject, run: str) -> Iterator[Metric]:
    """A metric for each count of `extract_runs`; those of rows are one, with the label `kind`."""
    yield Metric(f"{prefix}_rows", subject, "rows_", f"Rows that {run} read, by kind.", "kind")
    for column in EXTRACT_RUNS.columns:
        if column.name in ADDED_UP and not column.name.startswith("rows_"):
            name = f"{prefix}_{COUNT_NAMES.get(column.name, column.name)}"
            yield Metric(name, subject, column.name, f"Of {run}: {column.meaning}")


METRICS: Final = (
    Metric("build_info", "run", "version_", "Version of bedrock-async-etl.", "version"),
    Metric("last_run_exit_code", "run", "exit_code", "Exit code of the last run."),
    Metric("last_run_finished_timestamp_seconds", "run", "finished_at", "End of the last run."),
    Metric("last_run_duration_seconds", "run", "seconds_", "Duration of its steps.", "step"),
    *_counts("last_run", "run", "the last run"),
    Metric("failed_checks", "run", "failed_checks", "Checks that failed in the last run."),
    Metric("scopes", "scopes", "scopes_", "Scopes by the outcome of their last run.", "outcome"),
    Metric("scopes_never_read", "scopes", "never_read", "Scopes without a successful run."),
    Metric("scopes_left_out", "scopes", "left_out", "Scopes without series in this file."),
    Metric(
        "oldest_success_timestamp_seconds",
        "scopes",
        "oldest_success_at",
        "End of the last successful run of the scope that has waited longest for one.",
    ),
    Metric("open_invocations", "scopes", "open", "Open invocations, over all scopes."),
    Metric("scope_last_run_success", "scope", "is_good", "1 if its last run succeeded, else 0."),
    Metric(
        "scope_last_success_timestamp_seconds",
        "scope",
        "last_success_at",
        "End of the scope's last successful run.",
    ),
    Metric(
        "scope_submitted_through_timestamp_seconds",
        "scope",
        "submitted_through",
        "Everything submitted until then was read.",
    ),
    Metric("scope_open_invocations", "scope", "open_invocations", "Its open invocations."),
    *_counts("scope_last_run", "scope", "the scope's last run"),
    Metric(
        "scope_last_run_late_seconds",
        "scope",
        "late_seconds",
        "Longest time from the submission of a row listed late until the scrub found it.",
    ),
    Metric("model_completed_invocations", "model", "completed", "Completed in the last 30 days."),
    Metric("model_failed_invocations", "model", "failed", "Failed in the last 30 days."),
    Metric(
        "model_fault_invocations",
        "model",
        "failed_",
        "Failed in the last 30 days, by whose fault that was.",
        "fault",
    ),
    Metric(
        "model_failure_risk",
        "model",
        "failure_risk",
        "Share of the last 30 days that will have failed once all have ended (Aalen-Johansen).",
    ),
    Metric("model_open_invocations", "model", "open_invocations", "Open invocations of any age."),
    Metric(
        "model_vanished_invocations",
        "model",
        "vanished",
        "Invocations of any age that were open and are no longer listed.",
    ),
    Metric(
        "model_stuck_invocations",
        "model",
        "stuck",
        "Open invocations older than three times the model's typical p99.",
    ),
    Metric(
        "model_stalled",
        "model",
        "is_stalled",
        "1 if none has ended in 24 hours while 5 or more were open for all of them, else 0.",
    ),
    Metric(
        "model_open_incidents",
        "model",
        "open_incidents",
        "Incidents that have not ended: failures beyond chance.",
    ),
    Metric(
        "model_survival_seconds",
        "model",
        "survival_p",
        "Time within which this percentage of the last 30 days finishes (Kaplan-Meier).",
        "percentile",
    ),
)
"""All metrics; the documents list them from here."""


@dataclass(frozen=True)
class Facts:
    """The values of a run's end, a collector for `prometheus_client`; None has no sample."""

    destination: str
    shard: str
    run: Row
    scopes: Sequence[Row] = ()
    models: Sequence[Row] = ()
    max_scopes: int = MAX_SCOPES

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        """Every metric that has a sample."""
        # It brings a server along, and is imported where metrics are asked for.
        from prometheus_client.metrics_core import GaugeMetricFamily

        subjects = list(self._subjects())
        for metric in METRICS:
            unit = "seconds" if metric.name.endswith("_seconds") else ""
            family = GaugeMetricFamily(PREFIX + metric.name, metric.help, unit=unit)
            for subject, labels, values in subjects:
                if subject == metric.subject:
                    for own, number in metric.samples(values):
                        family.add_sample(family.name, labels | own, number)
            if family.samples:
                yield family

    def _subjects(self) -> Iterator[tuple[Subject, dict[str, str], Row]]:
        """Each subject with the labels of its series and its values."""
        destination = {"destination": self.destination}
        own = destination | ({"shard": self.shard} if self.shard else {})
        yield "run", own, self.run
        if self.scopes:
            yield "scopes", own, self._totals()
        # Failed scopes first, then by name, so that series come and go as little as possible.
        ranked = sorted(self.scopes, key=lambda scope: scope["last_outcome"] != "failed")
        for scope in ranked[: self.max_scopes]:
            names = {name: scope[name] for name in ("account_id", "region")}
            outcome = scope["last_outcome"]  # None where only a range was ever loaded
            yield (
                "scope",
                destination | names,
                scope | {"is_good": None if outcome is None else outcome == "ok"},
            )
        for model in self.models:
            yield "model", destination | {"model_id": model["model_id"] or "unknown"}, model

    def _totals(self) -> Row:
        outcomes = Counter(scope["last_outcome"] for scope in self.scopes)
        ends = [scope["last_success_at"] for scope in self.scopes if scope["last_success_at"]]
        return {
            "scopes_ok": outcomes["ok"],
            "scopes_failed": outcomes["failed"],
            "never_read": len(self.scopes) - len(ends),
            "left_out": max(0, len(self.scopes) - self.max_scopes),
            "oldest_success_at": min(ends, default=None),
            "open": sum(scope["open_invocations"] for scope in self.scopes),
        }


@dataclass
class RunMetrics:
    """Gathers what a run does, and writes it when the run ends, however it ends."""

    destination: Destination
    path: Path | None
    max_scopes: int = MAX_SCOPES
    shard: str = ""
    loaded: RunResult | None = None
    refreshed: Refresh | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is not None:
            self.write(exit_code_of(error))

    def write(self, exit_code: int) -> int:
        """Write the file; a failure to write is logged and makes a good run's exit code 1."""
        if self.path is None:
            return exit_code
        from prometheus_client.openmetrics.exposition import generate_latest

        scopes, models = self._stored()
        run = self._run(exit_code)
        name = str(self.destination)
        facts = Facts(name, self.shard, run, scopes, models, self.max_scopes)
        try:
            text: bytes = generate_latest(facts)  # type: ignore[no-untyped-call]
            replace(self.path, text, READABLE)
        except OSError as error:
            log_error(f"Cannot write {self.path}: {error.strerror}. The file was not changed.")
            return exit_code or 1
        return exit_code

    def _run(self, exit_code: int) -> Row:
        run: Row = {"exit_code": exit_code, "finished_at": datetime.now(UTC)}
        run[f"version_{version()}"] = 1
        if self.loaded:
            run |= {"seconds_load": self.loaded.seconds, **self.loaded.totals}
        if self.refreshed and not self.refreshed.error:
            run["seconds_models"] = self.refreshed.models_seconds
            run["seconds_checks"] = self.refreshed.checks_seconds
            run["failed_checks"] = len(self.refreshed.broken)
        return run

    def _stored(self) -> tuple[list[Row], list[Row]]:
        """Scopes and models as the destination has them; none where it cannot be read."""
        with suppress(CommandError, duckdb.Error, OSError), self.destination.connection() as rows:
            models = read_model(rows, MODELS) or []
            incidents = read_model(rows, OPEN_INCIDENTS)
            if incidents is not None:
                number = Counter(incident["model_id"] for incident in incidents)
                models = [
                    model | {"open_incidents": number[model["model_id"] or "unknown"]}
                    for model in models
                ]
            return self._own_scopes(read_scopes(rows)), models
        return [], []

    def _own_scopes(self, scopes: list[Row]) -> list[Row]:
        """All scopes; of a shard, its own, since the other shards have files of their own."""
        if self.shard:
            loaded = self.loaded.scopes if self.loaded else ()
            own = {(report.account_id, report.region) for report in loaded}
            return [scope for scope in scopes if (scope["account_id"], scope["region"]) in own]
        return scopes


def find_metrics(
    destination: Destination, metrics: str | None = None, shard: str | None = None
) -> RunMetrics:
    """Metrics in the file given, else in the one that dlt's configuration has, else nowhere.

    Raises `UsageError` where the file cannot be written.
    """
    metrics = metrics or configured("metrics", str)
    max_scopes = configured("metrics_max_scopes", int)
    path = Path(metrics).resolve() if metrics else None
    if path:
        check_place(path, "--metrics", "DIR/bedrock.prom")
    return RunMetrics(
        destination,
        path,
        MAX_SCOPES if max_scopes is None else max_scopes,
        configured_shard(shard) or "",
    )
