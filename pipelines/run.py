"""One run: load, then rebuild the models, then check them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.destinations import Destination
from pipelines.load import RunResult, load
from pipelines.logs import LogFormat
from pipelines.refresh import Refresh, refresh
from pipelines.watching import watched, watched_models


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
    on_loaded: Callable[[RunResult], None],
) -> Run:
    """Run with the `options` of `load` and the models in the folder `own`.

    `on_loaded` is called between the load and the models, which a shard leaves alone. Raises what
    `load` raises.
    """
    with destination.locked():
        with watched(log_format) as watch:
            loaded = load(destination, options, observer=watch)
        on_loaded(loaded)
        refreshed = Refresh()
        if builds_models and not loaded.is_part:
            with watched_models(log_format) as on_built:
                refreshed = refresh(destination, own, on_built)
        exit_code = refreshed.exit_code or loaded.exit_code
    return Run(loaded, refreshed, builds_models and not loaded.is_part, exit_code)
