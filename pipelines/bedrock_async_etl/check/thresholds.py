"""The thresholds of a check: from flags, else from dlt's configuration."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

from bedrock_async_etl.configuration import configured, setting
from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.options import CHECK_SECTION, CheckOptions, Per
from bedrock_async_invokes.options import Option, options_of, parse_duration

PREFIX: Final = "max_"
"""Names of thresholds begin with it."""
THRESHOLDS: Final = {
    option.name.removeprefix(PREFIX): option
    for option in options_of(CheckOptions)
    if option.name.startswith(PREFIX)
}
"""By the names of their rules; those with several values can be given for single models."""
SHARE: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(%?)")


@dataclass(frozen=True)
class Limits:
    """One threshold: its value in general, and those of single models; shares, or seconds."""

    general: float | None = None
    by_model: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.general is not None or bool(self.by_model)

    def of(self, model_id: str) -> float | None:
        return self.by_model.get(model_id, self.general)


@dataclass(frozen=True)
class Thresholds:
    """The thresholds and settings of a check."""

    limits: Mapping[str, Limits]
    """By the names of their rules: `failure_rate` is set by `max_failure_rate`."""
    window: timedelta = timedelta(hours=24)
    """Rates and percentiles cover submissions within this time before the last successful run."""
    per: Per = "model"
    """Group of a rate or percentile: each scope, region or model, or all together."""
    is_strict: bool = False
    """A rate above its threshold is a breach even if the sample is small."""
    allows_empty: bool = False
    """Nothing to check is no breach."""

    @property
    def models(self) -> frozenset[str]:
        """The models that have a threshold of their own."""
        return frozenset().union(*(limits.by_model for limits in self.limits.values()))

    @property
    def need_models(self) -> bool:
        """A lag is known from the runs; everything else is read from the models."""
        return bool(self.limits.keys() - {"lag"})


def find_thresholds(**flags: Any) -> Thresholds:
    """The thresholds of `CheckOptions` given by name; dlt's configuration has the others.

    Values are text: `VALUE`, or also `MODEL=VALUE` where the option allows it. Raises `UsageError`
    or `OptionError` for a value that cannot be read, and where there is no threshold at all.
    """
    per_model = _configured_per_model()
    limits = {
        rule: _limits(option, flags.get(option.name), per_model)
        for rule, option in THRESHOLDS.items()
    }
    limits = {rule: each for rule, each in limits.items() if each}
    window, per, is_strict, allows_empty = (
        setting(CheckOptions, name, flags.get(name))
        for name in ("window", "per", "strict", "allow_empty")
    )
    seconds = parse_duration("--window", window)
    if not limits:
        *others, last = (option.flag for option in THRESHOLDS.values())
        raise UsageError(
            f"There is nothing to check: give {', '.join(others)} or {last}, or set them in "
            f"[{CHECK_SECTION}] of .dlt/config.toml."
        )
    if not seconds:
        raise UsageError("--window must be longer than 0 seconds.")
    return Thresholds(limits, timedelta(seconds=seconds), per, is_strict, allows_empty)


def parse_share(option: str, value: Any) -> float:
    """Read `0.05` or `5%`; raises `UsageError` for what is not between 0 and 1."""
    match = SHARE.fullmatch(str(value).strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else None
    if share is None or share > 1:
        raise UsageError(f"{option} {value!r} is not a share. It looks like 0.05 or 5%.")
    return share


PARSERS: Final[Mapping[str, Callable[[str, Any], float]]] = {
    "SHARE": parse_share,
    "DURATION": parse_duration,
}
"""By the metavars of thresholds."""


def _configured_per_model() -> Mapping[str, Mapping[str, Any]]:
    names = [option.name for option in THRESHOLDS.values() if option.is_list]
    found: dict[str, Mapping[str, Any]] = configured("models", dict, CHECK_SECTION) or {}
    for model, limits in found.items():
        if not isinstance(limits, Mapping) or limits.keys() - set(names):
            raise UsageError(
                f'{CHECK_SECTION}.models."{model}" cannot be read: it has thresholds by name, '
                f"which are {', '.join(names)}."
            )
    return found


def _limits(option: Option, flags: Any, per_model: Mapping[str, Mapping[str, Any]]) -> Limits:
    """The values of one threshold: a flag wins over the configuration, model by model."""
    parse = partial(PARSERS[(option.metavar or "").removeprefix("[MODEL=]")], option.flag)
    name = option.name
    given = _by_model(option.flag, flags) if option.is_list else {"": flags}
    general = given.pop("", None) or configured(name, str, CHECK_SECTION)
    by_model = {model: limits[name] for model, limits in per_model.items() if name in limits}
    return Limits(
        parse(general) if general else None,
        {model: parse(value) for model, value in (by_model | given).items()},
    )


def _by_model(option: str, flags: Any) -> dict[str, Any]:
    """The flags' values by model, the general one under no name."""
    values: dict[str, Any] = {}
    for flag in flags or ():
        model, _, value = flag.rpartition("=")
        if model in values:
            raise UsageError(f"{option} is given twice for {model or 'all models'}: give it once.")
        values[model] = value
    return values
