"""Environment variables: those that this project wants, and any for a while."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

DEFAULTS: Final[Mapping[str, str]] = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    # Where Airflow is installed, dlt would ask its database for settings, and make one if need be.
    "PROVIDERS__ENABLE_AIRFLOW_SECRETS": "false",
    # Arrow's own allocators keep a hundred megabytes that they do not use.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""What libraries find unless the environment says something else; set before they are imported."""


def set_defaults() -> None:
    """Set what is not set."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


@contextmanager
def environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set each variable, or (None) take it away; afterwards all are as they were."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
