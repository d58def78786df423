"""One run: load, rebuild the models, check both, compact or publish; its result and its log."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bedrock_async_etl import version
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.load import RunResult, load
from bedrock_async_etl.logs import LogFormat, log_event
from bedrock_async_etl.metrics import RunMetrics
from bedrock_async_etl.models.progress import models_progress
from bedrock_async_etl.models.refresh import Refresh, refresh
from bedrock_async_etl.progress import load_progress

if TYPE_CHECKING:
    from bedrock_async_etl.destinations.database.published_copy import PublishedCopy, Publisher
    from bedrock_async_etl.destinations.lake.formats import LakeCompaction


LEFT_TO_THE_NEXT: Final = "The rows are loaded; the next run builds the models and checks them."


@dataclass(frozen=True)
class Run:
    """The result of a run."""

    loaded: RunResult
    refreshed: Refresh | None
    """None for a shard, and where the models were not asked for."""
    compaction: "LakeCompaction | None"
    """None where none was due."""
    published: "PublishedCopy | None"
    """None where no copy was asked for, or nothing had changed since the one before."""
    exit_code: int

    def as_json(self) -> dict[str, Any]:
        """The document that `run --json` prints."""
        return {
            "version": version(),
            **self.loaded.as_json(),
            **(self.refreshed or Refresh()).as_json(),
            "compaction": asdict(self.compaction) if self.compaction else None,
            "published": asdict(self.published) if self.published else None,
            "exit_code": self.exit_code,
        }

    def log(self, log_format: LogFormat) -> None:
        """Log what failed or broke a rule; as JSON, the facts of the closing tables, too."""
        refreshed = self.refreshed or Refresh()
        refreshed.log(log_format)
        if self.loaded.is_part:
            log_event(
                "models_left", "This was a shard: rebuild the models with `models` after the last."
            )
        compaction = self.compaction
        if compaction and (compaction.error or log_format == "json"):
            level = logging.WARNING if compaction.error else logging.INFO
            log_event("compaction", compaction.message, level, **asdict(compaction))
        published = self.published
        if published and (published.error or log_format == "json"):
            level = logging.ERROR if published.error else logging.INFO
            log_event("published", published.message, level, **asdict(published))
        if log_format == "json":
            summary = {
                "version": version(),
                "exit_code": self.exit_code,
                "scopes": len(self.loaded.scopes),
                "scopes_failed": len(self.loaded.failed),
                **self.loaded.totals,
                "models_built": len(refreshed.models),
                "checks_broken": len(refreshed.broken),
                "checks_warned": len(refreshed.warnings),
            }
            log_event("run_finished", **self.loaded.as_json() | summary)


def run_once(
    destination: Destination,
    options: Mapping[str, Any],
    user_models: Path | None,
    *,
    builds_models: bool,
    strict: bool = False,
    log_format: LogFormat,
    metrics: RunMetrics,
    publisher: "Publisher | None" = None,
    on_loaded: Callable[[RunResult], None],
) -> Run:
    """Run with the `options` of `load` and the models in the folder `user_models`.

    A shard leaves the models alone, and the lake as it is. A copy is published when its models are
    built, even if a check does not hold. `on_loaded` is called before they are
    rebuilt. Raises what `load` raises.
    """
    with destination.locked(), metrics:
        with load_progress(log_format) as observer:
            loaded = metrics.loaded = load(destination, options, observer=observer)
        on_loaded(loaded)
        refreshed = None
        if builds_models and not loaded.is_part:
            with models_progress(log_format) as on_built:
                refreshed = metrics.refreshed = refresh(
                    destination, user_models, on_built, strict=strict
                )
            if refreshed.is_busy:
                refreshed.error = f"{refreshed.error} {LEFT_TO_THE_NEXT}"
        compaction = destination.compact_if_due()
        published = None
        if publisher and refreshed and not refreshed.error:
            published = publisher.publish()
        exit_code = _exit_code(loaded, refreshed)
        if published and published.error:
            exit_code = exit_code or 1
        exit_code = metrics.write(exit_code)
    run = Run(loaded, refreshed, compaction, published, exit_code)
    run.log(log_format)
    return run


def _exit_code(loaded: RunResult, refreshed: Refresh | None) -> int:
    """The worse of both; models that wait for the next run weigh less than failed scopes."""
    if refreshed is None or (refreshed.is_busy and loaded.exit_code):
        return loaded.exit_code
    return refreshed.exit_code or loaded.exit_code
