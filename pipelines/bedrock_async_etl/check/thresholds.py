"""What is asked of a copy: thresholds from flags, else from dlt's configuration."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import dlt

from bedrock_async_etl.check.quantities import parse_duration, parse_share
from bedrock_async_etl.configuration import configured
from bedrock_async_etl.errors import UsageError

if TYPE_CHECKING:
    from bedrock_async_etl.check.webhook import Webhook

SECTION: Final = "bedrock_async_etl.check"
DEFAULT_WINDOW: Final = "24h"
PER_MODEL: Final[Mapping[str, Callable[[str, Any], float]]] = {
    "max_failure_rate": parse_share,
    "max_p95": parse_duration,
    "max_open_age": parse_duration,
}
"""The thresholds that a model can have of its own, and what reads them."""


@dataclass(frozen=True)
class Limits:
    """A threshold for models that have none of their own, and those of single models."""

    general: float | None = None
    by_model: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.general is not None or bool(self.by_model)

    def of(self, model_id: str) -> float | None:
        return self.by_model.get(model_id, self.general)


@dataclass(frozen=True)
class Thresholds:
    """What is asked of a copy, and how carefully it is judged."""

    failure_rate: Limits = Limits()
    p95: Limits = Limits()
    """Seconds."""
    open_age: Limits = Limits()
    """Seconds."""
    lag: float | None = None
    """Seconds."""
    window: timedelta = timedelta(hours=24)
    """Rates and percentiles are of what was submitted in the last good run's last so many hours."""
    is_strict: bool = False
    """Whether a rate above its threshold counts where so few are no proof."""
    allows_empty: bool = False
    """Whether it is good that there is nothing to judge."""

    @property
    def per_model(self) -> tuple[Limits, Limits, Limits]:
        return self.failure_rate, self.p95, self.open_age

    @property
    def models(self) -> set[str]:
        """Those that are named."""
        return {model for limits in self.per_model for model in limits.by_model}

    @property
    def need_models(self) -> bool:
        return any(self.per_model)

    @property
    def need_data(self) -> bool:
        return bool(self.failure_rate or self.p95)


def find_thresholds(
    *,
    max_failure_rate: Iterable[str] = (),
    max_p95: Iterable[str] = (),
    max_open_age: Iterable[str] = (),
    max_lag: str | None = None,
    window: str | None = None,
    strict: bool = False,
    allow_empty: bool = False,
) -> Thresholds:
    """The thresholds given, each else the one that dlt's configuration has.

    Those of the models are `VALUE`, for all that have none of their own, or `MODEL=VALUE`. Raises
    `UsageError` for what cannot be read, and where there is no threshold at all.
    """
    per_model = _configured_per_model()
    lag = max_lag or configured(SECTION, "max_lag", str)
    seconds = parse_duration(
        "--window", window or configured(SECTION, "window", str) or DEFAULT_WINDOW
    )
    thresholds = Thresholds(
        failure_rate=_limits("max_failure_rate", max_failure_rate, per_model),
        p95=_limits("max_p95", max_p95, per_model),
        open_age=_limits("max_open_age", max_open_age, per_model),
        lag=parse_duration("--max-lag", lag) if lag else None,
        window=timedelta(seconds=seconds),
        is_strict=strict or bool(configured(SECTION, "strict", bool)),
        allows_empty=allow_empty or bool(configured(SECTION, "allow_empty", bool)),
    )
    if not thresholds.need_models and thresholds.lag is None:
        raise UsageError(
            "There is nothing to check: give --max-failure-rate, --max-p95, --max-open-age or "
            f"--max-lag, or set them in [{SECTION}] of .dlt/config.toml."
        )
    if not seconds:
        raise UsageError("--window must be longer than 0 seconds.")
    return thresholds


def find_webhook(url: str | None = None) -> "Webhook | None":
    """The webhook given, else the one among dlt's secrets; raises `UsageError` for a wrong one."""
    url = url or dlt.secrets.get(f"{SECTION}.notify", str)
    if not url:
        return None
    from bedrock_async_etl.check.webhook import Webhook

    return Webhook(url)


def _configured_per_model() -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = configured(SECTION, "models", dict) or {}
    for model, limits in found.items():
        if not isinstance(limits, Mapping) or limits.keys() - PER_MODEL.keys():
            raise UsageError(
                f'{SECTION}.models."{model}" cannot be read: it has thresholds by name, which '
                f"are {', '.join(PER_MODEL)}."
            )
    return found


def _limits(name: str, flags: Iterable[str], per_model: Mapping[str, Mapping[str, Any]]) -> Limits:
    """One threshold's values: a flag wins over the configuration, model by model."""
    option, read = f"--{name.replace('_', '-')}", PER_MODEL[name]
    by_model = {model: limits[name] for model, limits in per_model.items() if name in limits}
    given = _by_model(option, flags)
    general = given.pop("", None) or configured(SECTION, name, str)
    return Limits(
        read(option, general) if general else None,
        {model: read(option, value) for model, value in (by_model | given).items()},
    )


def _by_model(option: str, flags: Iterable[str]) -> dict[str, str]:
    """The flags' values by model, the general one under no name."""
    values: dict[str, str] = {}
    for flag in flags:
        model, _, value = flag.rpartition("=")
        if model in values:
            raise UsageError(f"{option} is given twice for {model or 'all models'}: give it once.")
        values[model] = value
    return values
