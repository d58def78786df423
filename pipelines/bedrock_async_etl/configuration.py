"""dlt's configuration, environment variables, loggers of libraries, and modes of new files."""

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.options import (
    FURTHER_KEYS,
    SECTION,
    SECTIONS,
    SOURCE_SECTION,
    check_name,
)
from bedrock_async_invokes.options import options_of, signature_of

Declared = TypeVar("Declared")

DEFAULTS: Final[Mapping[str, str]] = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    # dlt would handle SIGINT and SIGTERM, and finish all work under way first.
    "RUNTIME__INTERCEPT_SIGNALS": "false",
    # Where Airflow is installed, dlt would ask its database for settings, and make one if need be.
    "PROVIDERS__ENABLE_AIRFLOW_SECRETS": "false",
    # Arrow's own allocators keep a hundred megabytes that they do not use.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""Environment variables for libraries, set before these are imported."""

PRIVATE_UMASK: Final = "077"
"""Files are 600, folders 700."""
UMASK: Final = re.compile(r"0?0[0-7]{2}")
_callers_umasks: Final[list[int]] = []
"""Umasks before each active `private_files`."""


def with_configuration(declared: type[Declared], *sections: str) -> Callable[..., Declared]:
    """A function that makes `declared` of the options given; these sections have the others."""
    import dlt
    from dlt.common.configuration import with_config

    def options(**values: Any) -> Declared:
        return declared(**values)

    # dlt reads the signature, and caches the result under the qualified name.
    options.__signature__ = signature_of(declared, dlt.TSecretStrValue)  # type: ignore[attr-defined]
    options.__qualname__ = f"configured_{declared.__name__}"
    return with_config(options, sections=sections)


def configured(name: str, expected: type, section: str = SECTION) -> Any:
    """The value of exactly this name in dlt's configuration, or None.

    `with_config` would also search the sections above, where `models` is another thing, and where
    GNU screen's environment variable WINDOW counts. Raises `UsageError` for a value of another
    type.
    """
    # dlt takes longer to import than `--help` may take.
    import dlt
    from dlt.common.configuration.exceptions import ConfigValueCannotBeCoercedException

    try:
        return dlt.config.get(f"{section}.{name}", expected)
    except ConfigValueCannotBeCoercedException:
        raise UsageError(
            f"{section}.{name} cannot be read: it must be of type {expected.__name__}."
        ) from None


def check_configuration() -> None:
    """Raise `UsageError` for a key that no option has, and for a text in place of a list.

    dlt ignores keys that nobody asks for. It has tables of its own in these sections: only tables
    that may be ours are refused.
    """
    for section, declared in SECTIONS.items():
        options = {option.name: option for each in declared for option in options_of(each)}
        within = f"{section}."
        tables = [each.removeprefix(within) for each in SECTIONS if each.startswith(within)]
        known = [*options, *FURTHER_KEYS.get(section, ()), *tables]
        for where, key, value in _configured_values(section):
            is_table = key not in known and isinstance(value, Mapping)
            if is_table and not get_close_matches(key, tables):
                continue
            check_name(where, key, known)
            is_text = isinstance(value, str) and not value.lstrip().startswith("[")
            if section == SOURCE_SECTION and is_text and options[key].is_list:
                raise UsageError(f'{where} has "{key}", which must be a list: ["…", "…"].')


def _configured_values(section: str) -> Iterator[tuple[str, str, Any]]:
    """Place, key and value of each key of a section; the value of a table is any mapping."""
    import dlt

    prefix = section.replace(".", "__").upper() + "__"
    for variable, value in os.environ.items():
        key, *nested = variable.removeprefix(prefix).lower().split("__")
        if variable.startswith(prefix):
            yield f"The environment ({variable})", key, {} if nested else value
    *outer, name = section.split(".")
    for provider in dlt.config.config_providers:
        values, _ = provider.get_value(name, dict, None, *outer)
        for key, value in values.items() if isinstance(values, Mapping) else ():
            yield f"[{section}] in {provider.name}", key, value


def set_defaults() -> None:
    """Set the environment variables of `DEFAULTS` that are not set."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


@contextmanager
def environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set each variable, or remove it (None), and restore all of them afterwards."""
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


@contextmanager
def filtered(logger_name: str, is_logged: Callable[[logging.LogRecord], bool]) -> Iterator[None]:
    """Log only these records of a library's logger meanwhile."""
    logger = logging.getLogger(logger_name)
    logger.addFilter(is_logged)
    try:
        yield
    finally:
        logger.removeFilter(is_logged)


@contextmanager
def private_files() -> Iterator[None]:
    """Make files and folders by the configured umask: dlt's, DuckDB's and Delta's, too.

    The umask is set for the process: others can at no moment read a new file, and no library needs
    setup. Existing files keep their modes. Raises `UsageError` for a malformed umask.
    """
    text = configured("umask", str) or PRIVATE_UMASK
    if not UMASK.fullmatch(text):
        raise UsageError(
            f"{SECTION}.umask is {text!r}: it is text of three octal digits, the first of them 0, "
            'such as "077" (files are 600, folders 700) or "027" (640 and 750).'
        )
    _callers_umasks.append(os.umask(int(text, 8)))
    try:
        yield
    finally:
        os.umask(_callers_umasks.pop())


@contextmanager
def shared_files() -> Iterator[None]:
    """Make files for others by the caller's umask, even within `private_files`."""
    if not _callers_umasks:
        yield
        return
    before = os.umask(_callers_umasks[-1])
    try:
        yield
    finally:
        os.umask(before)
