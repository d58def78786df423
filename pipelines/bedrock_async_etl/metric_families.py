"""What a run tells Prometheus: gauges alone, which all its formats write and read alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from prometheus_client.metrics_core import GaugeMetricFamily

from bedrock_async_etl.scope_status import Row

PREFIX: Final = "bedrock_async_"

METRICS: Final = {
    "last_run_exit_code": "Exit code of the last run.",
    "last_run_finished_timestamp_seconds": "When the last run ended.",
    "last_run_duration_seconds": "How long the steps of the last run took.",
    "last_run_rows": "Rows that the last run read, and of these were new or changed.",
    "last_run_calls": "Calls that the last run made, over all scopes.",
    "last_run_throttled_calls": "Calls of the last run that were throttled, over all scopes.",
    "last_run_vanished_invocations": "Open invocations that the last run found to be gone.",
    "last_run_quarantined_invocations": "Rows of other accounts or regions that the last run "
    "kept out.",
    "failed_checks": "Checks that did not hold in the last run.",
    "scopes": "Scopes by the outcome of their last run.",
    "scopes_never_read": "Scopes that no run has read whole yet.",
    "scopes_left_out": "Scopes that have no series of their own in this file.",
    "oldest_success_timestamp_seconds": "Of each scope the last good run, the oldest of these.",
    "open_invocations": "Open invocations, over all scopes.",
    "scope_last_run_success": "1 where the last run of the scope was good, else 0.",
    "scope_last_success_timestamp_seconds": "When the last good run of the scope ended.",
    "scope_submitted_through_timestamp_seconds": "All that was submitted until then was read.",
    "scope_open_invocations": "Open invocations of the scope.",
    "scope_last_run_rows": "Rows that the last run of the scope read, and of these were new "
    "or changed.",
    "scope_last_run_calls": "Calls that the last run of the scope made.",
    "scope_last_run_throttled_calls": "Calls of the last run of the scope that were throttled.",
    "scope_last_run_vanished_invocations": "Open invocations that the last run of the scope "
    "found to be gone.",
    "scope_last_run_quarantined_invocations": "Rows of other accounts or regions that the last "
    "run of the scope kept out.",
    "model_completed_invocations": "Invocations of the last 30 days that are Completed.",
    "model_failed_invocations": "Invocations of the last 30 days that are Failed.",
    "model_open_invocations": "Open invocations, however old.",
    "model_stuck_invocations": "Open invocations older than three times the usual p99.",
    "model_survival_seconds": "So long do so many percent of the last 30 days take to end "
    "(Kaplan-Meier).",
}
"""What each says, by its name without the prefix."""

ROWS: Final = {"read": "rows_read", "new": "rows_new", "changed": "rows_changed"}
PERCENTILES: Final = (50, 95, 99)

Labels = Mapping[str, str]


@dataclass
class Facts:
    """What is known when a run ends; what is not, is None or not in it, and becomes no sample."""

    destination: str
    shard: str
    exit_code: int
    finished_at: datetime
    durations: dict[str, float] = field(default_factory=dict)
    """Seconds by step: load, models, checks."""
    run: dict[str, int] | None = None
    """Counts of the run as `extract_runs` has them, over all scopes."""
    failed_checks: int | None = None
    scopes: Sequence[Row] = ()
    models: Sequence[Row] = ()
    max_scopes: int = 500

    @property
    def labels(self) -> dict[str, str]:
        """What tells the series of one run from another's, which may be in a file beside it."""
        shard = {"shard": self.shard} if self.shard else {}
        return {"destination": self.destination, **shard}


class Families:
    """A collector for a registry."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._families: dict[str, GaugeMetricFamily] = {}

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Each metric that has a sample."""
        self._families = {}
        self._add_run()
        self._add_totals()
        for scope in shown_scopes(self._facts.scopes, self._facts.max_scopes):
            self._add_scope(scope)
        for model in self._facts.models:
            self._add_model(model)
        return self._families.values()

    def _add(self, name: str, value: Any, labels: Labels) -> None:
        if value is None:
            return
        unit = "seconds" if name.endswith("_seconds") else ""
        if name not in self._families:
            self._families[name] = GaugeMetricFamily(
                PREFIX + name, METRICS[name], labels=list(labels), unit=unit
            )
        number = value.timestamp() if isinstance(value, datetime) else float(value)
        self._families[name].add_metric(list(labels.values()), number)

    def _add_run(self) -> None:
        facts = self._facts
        of = facts.labels
        self._add("last_run_exit_code", facts.exit_code, of)
        self._add("last_run_finished_timestamp_seconds", facts.finished_at, of)
        for step, seconds in facts.durations.items():
            self._add("last_run_duration_seconds", seconds, of | {"step": step})
        self._add("failed_checks", facts.failed_checks, of)
        if facts.run is not None:
            self._add_costs("last_run", facts.run, of)

    def _add_costs(self, prefix: str, counts: Mapping[str, Any], of: Labels) -> None:
        for kind, column in ROWS.items():
            self._add(f"{prefix}_rows", counts[column], {**of, "kind": kind})
        self._add(f"{prefix}_calls", counts["calls"], of)
        self._add(f"{prefix}_throttled_calls", counts["throttled"], of)
        self._add(f"{prefix}_vanished_invocations", counts["vanished"], of)
        self._add(f"{prefix}_quarantined_invocations", counts["quarantined"], of)

    def _add_totals(self) -> None:
        """Over all scopes, those among them that have no series of their own."""
        scopes = self._facts.scopes
        if not scopes:
            return
        of = self._facts.labels
        for outcome in ("ok", "failed"):
            number = sum(scope["last_outcome"] == outcome for scope in scopes)
            self._add("scopes", number, of | {"outcome": outcome})
        good = [scope["last_success_at"] for scope in scopes if scope["last_success_at"]]
        self._add("scopes_never_read", len(scopes) - len(good), of)
        self._add("scopes_left_out", max(0, len(scopes) - self._facts.max_scopes), of)
        self._add("oldest_success_timestamp_seconds", min(good, default=None), of)
        self._add("open_invocations", sum(scope["open_invocations"] for scope in scopes), of)

    def _add_scope(self, scope: Row) -> None:
        of = {
            "destination": self._facts.destination,
            "account_id": scope["account_id"],
            "region": scope["region"],
        }
        self._add("scope_last_run_success", scope["last_outcome"] == "ok", of)
        self._add("scope_last_success_timestamp_seconds", scope["last_success_at"], of)
        self._add("scope_submitted_through_timestamp_seconds", scope["submitted_through"], of)
        self._add("scope_open_invocations", scope["open_invocations"], of)
        self._add_costs("scope_last_run", scope, of)

    def _add_model(self, model: Row) -> None:
        of = {
            "destination": self._facts.destination,
            "model_id": model["model_id"] or "unknown",
        }
        self._add("model_completed_invocations", model["completed"], of)
        self._add("model_failed_invocations", model["failed"], of)
        self._add("model_open_invocations", model["open_invocations"], of)
        self._add("model_stuck_invocations", model["stuck"], of)
        for percentile in PERCENTILES:
            seconds = model[f"survival_p{percentile}"]
            self._add("model_survival_seconds", seconds, of | {"percentile": f"{percentile}"})


def shown_scopes(scopes: Sequence[Row], most: int) -> list[Row]:
    """Those that failed first, then by name: so that series do not come and go without need."""
    return sorted(scopes, key=lambda scope: scope["last_outcome"] == "ok")[:most]
