"""Metrics of a run in a file, for node_exporter's textfile collector and others."""

import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import duckdb

from bedrock_async_etl.configuration import configured
from bedrock_async_etl.destinations import Destination, configured_shard
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.files.atomic_write import replace
from bedrock_async_etl.load import RunResult
from bedrock_async_etl.logs import tell_error
from bedrock_async_etl.models.refresh import Refresh
from bedrock_async_etl.scope_status import Row, read_model, read_scopes

MODELS: Final = """
select
    model_id,
    completed,
    failed,
    open_invocations,
    stuck,
    survival_p50,
    survival_p95,
    survival_p99,
from bedrock_analytics.model_summary
order by model_id
"""
FORGOTTEN_AFTER: Final = timedelta(days=7)
"""A scope that was not run for so long, while others were, is not read any more."""
INTERRUPTED: Final = 130
READABLE: Final = 0o644
"""node_exporter is another user, and there are counts in it, but no row of the copy."""
MAX_SCOPES: Final = 500
"""Scopes that have series of their own, where the configuration says nothing else."""


def find_metrics(
    destination: Destination, metrics: str | None = None, shard: str | None = None
) -> "RunMetrics":
    """Metrics in the file given, else in the one that dlt's configuration has, else nowhere.

    Raises `UsageError` where the file cannot be written.
    """
    metrics = metrics or configured("bedrock_async_etl", "metrics", str)
    max_scopes = configured("bedrock_async_etl", "metrics_max_scopes", int)
    path = Path(metrics).resolve() if metrics else None
    if path:
        _probe(path)
    return RunMetrics(
        destination,
        path,
        MAX_SCOPES if max_scopes is None else max_scopes,
        configured_shard(shard) or "",
    )


class RunMetrics:
    """Gathers what a run does, and writes it when the run ends, however it ends."""

    def __init__(
        self,
        destination: Destination,
        path: Path | None,
        max_scopes: int = MAX_SCOPES,
        shard: str = "",
    ) -> None:
        self.loaded: RunResult | None = None
        self.refreshed: Refresh | None = None
        self._destination = destination
        self._path = path
        self._max_scopes = max_scopes
        self._shard = shard

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if isinstance(error, CommandError):
            self.write(error.exit_code)
        elif error is not None:
            self.write(INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1)

    def write(self, exit_code: int) -> int:
        """Write the file; what cannot be written is told, and makes a good run's exit code 1."""
        if self._path is None:
            return exit_code
        try:
            replace(self._path, self._text(exit_code), READABLE)
        except OSError as error:
            tell_error(f"Cannot write {self._path}: {error.strerror}. It is as it was.")
            return exit_code or 1
        return exit_code

    def _text(self, exit_code: int) -> bytes:
        # It brings a server along, and is imported where metrics are asked for.
        from prometheus_client import CollectorRegistry
        from prometheus_client.openmetrics.exposition import generate_latest

        from bedrock_async_etl.metric_families import Facts, Families

        scopes, models = self._stored()
        facts = Facts(
            str(self._destination),
            self._shard,
            exit_code,
            datetime.now(UTC),
            scopes=scopes,
            models=models,
            max_scopes=self._max_scopes,
        )
        if self.loaded:
            facts.durations["load"] = self.loaded.seconds
            facts.run = self.loaded.totals
        if self.refreshed and not self.refreshed.error:
            facts.durations["models"] = self.refreshed.models_seconds
            facts.durations["checks"] = self.refreshed.checks_seconds
            facts.failed_checks = len(self.refreshed.broken)
        registry = CollectorRegistry()
        registry.register(Families(facts))
        text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
        return text

    def _stored(self) -> tuple[list[Row], list[Row]]:
        """Scopes and models as the destination has them; none where it cannot be read."""
        with suppress(CommandError, duckdb.Error, OSError), self._destination.connection() as rows:
            return self._own_scopes(read_scopes(rows)), (read_model(rows, MODELS) or [])
        return [], []

    def _own_scopes(self, scopes: list[Row]) -> list[Row]:
        """Those that are still read; of a shard, its own, since others tell of the others."""
        if self._shard:
            loaded = self.loaded.scopes if self.loaded else ()
            own = {(report.account_id, report.region) for report in loaded}
            return [scope for scope in scopes if (scope["account_id"], scope["region"]) in own]
        if not scopes:
            return []
        newest = max(scope["last_run_at"] for scope in scopes)
        return [scope for scope in scopes if scope["last_run_at"] >= newest - FORGOTTEN_AFTER]


def _probe(path: Path) -> None:
    """Raise `UsageError` where a file cannot be put."""
    if path.exists() and not path.is_file():
        raise UsageError(f"--metrics {path} is not a file: name one, such as DIR/bedrock.prom.")
    try:
        with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", dir=path.parent):
            return
    except OSError as error:
        raise UsageError(
            f"Cannot write --metrics {path}: {error.strerror}. Name a file in a folder that exists "
            "and can be written to."
        ) from error
