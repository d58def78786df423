"""One run: load, then rebuild the models, then check them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.load import RunResult, load
from bedrock_async_etl.logs import LogFormat
from bedrock_async_etl.metrics import RunMetrics
from bedrock_async_etl.models.refresh import Refresh, refresh
from bedrock_async_etl.progress import watched, watched_models


@dataclass(frozen=True)
class Run:
    """What a run did."""

    loaded: RunResult
    refreshed: Refresh
    has_models: bool
    """Whether they were rebuilt, or should have been."""
    exit_code: int

    def as_json(self) -> dict[str, Any]:
        """The document that `run --json` prints."""
        return self.loaded.as_json() | self.refreshed.as_json() | {"exit_code": self.exit_code}


def run_once(
    destination: Destination,
    options: Mapping[str, Any],
    own: Path | None,
    *,
    builds_models: bool,
    log_format: LogFormat,
    metrics: RunMetrics,
    on_loaded: Callable[[RunResult], None],
) -> Run:
    """Run with the `options` of `load` and the models in the folder `own`.

    `on_loaded` is called between the load and the models, which a shard leaves alone. Raises what
    `load` raises.
    """
    with destination.locked(), metrics:
        with watched(log_format) as watch:
            loaded = metrics.loaded = load(destination, options, observer=watch)
        on_loaded(loaded)
        refreshed = Refresh()
        if builds_models and not loaded.is_part:
            with watched_models(log_format) as on_built:
                refreshed = metrics.refreshed = refresh(destination, own, on_built)
        exit_code = metrics.write(refreshed.exit_code or loaded.exit_code)
    return Run(loaded, refreshed, builds_models and not loaded.is_part, exit_code)
