"""dlt's configuration, environment variables, loggers of libraries, and modes of new files."""

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from bedrock_async_invokes.options import Option, check_value, options_of

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


def configured_options(
    declared: type[Declared], given: Mapping[str, Any] | None = None
) -> Declared:
    """Make `declared` of the options given, even if None, and of dlt's configuration for the rest.

    Raises `UsageError` for a value of another type, and what `declared` raises.
    """
    given, section = given or {}, section_of(declared)
    others = (option for option in options_of(declared) if option.name not in given)
    return declared(**given, **{option.name: _value(option, section) for option in others})


def setting(declared: type, name: str, given: Any = None) -> Any:
    """The value given for one option, else that of dlt's configuration, else the default.

    Raises `UsageError` for a value of another type, `OptionError` for one that makes no sense.
    """
    [option] = (each for each in options_of(declared) if each.name == name)
    value = _value(option, section_of(declared)) if given is None else given
    check_value(option, value)
    return value


def section_of(declared: type) -> str:
    """The section of dlt's configuration that has the options of a class."""
    return next(section for section, classes in SECTIONS.items() if declared in classes)


def _value(option: Option, section: str) -> Any:
    """The configured value, else the default; an empty text is no value."""
    found = _found(option.name, option.kind, section, is_secret=option.is_secret)
    if option.is_list and not all(isinstance(each, str) for each in found or ()):
        raise UsageError(f"{section}.{option.name} cannot be read: it must be a list of texts.")
    return option.default if found in (None, "") else found


def configured(name: str, expected: type, section: str = SECTION) -> Any:
    """The value of exactly this name in dlt's configuration, or None.

    `with_config` would also search the sections above, where `models` is another thing, and where
    environment variables of other programs count, such as DATABASE and GNU screen's WINDOW. Raises
    `UsageError` for a value of another type, and for a file that is no TOML.
    """
    return _found(name, expected, section, is_secret=False)


def _found(name: str, expected: type, section: str, *, is_secret: bool) -> Any:
    # dlt takes longer to import than `--help` may take.
    import dlt
    from dlt.common.configuration.exceptions import ConfigValueCannotBeCoercedException

    _providers()
    try:
        return (dlt.secrets if is_secret else dlt.config).get(f"{section}.{name}", expected)
    except ConfigValueCannotBeCoercedException:
        # Without the value, which may be a secret.
        raise UsageError(
            f"{section}.{name} cannot be read: it must be of type {expected.__name__}."
        ) from None


def check_configuration() -> None:
    """Raise `UsageError` for a key that no option has, and for a text in place of a list.

    So does a secret where dlt reads none. dlt ignores keys that nobody asks for. It has tables of
    its own in these sections: only tables that may be ours are refused.
    """
    for section, declared in SECTIONS.items():
        options = {option.name: option for each in declared for option in options_of(each)}
        within = f"{section}."
        tables = [each.removeprefix(within) for each in SECTIONS if each.startswith(within)]
        known = [*options, *FURTHER_KEYS.get(section, ()), *tables]
        for where, key, value, may_be_secret in _configured_values(section):
            is_table = key not in known and isinstance(value, Mapping)
            if is_table and not get_close_matches(key, tables):
                continue
            check_name(where, key, known)
            if key in options and options[key].is_secret and not may_be_secret:
                raise UsageError(
                    f'{where} has "{key}", which is a secret: put it into .dlt/secrets.toml or the '
                    "environment."
                )
            is_text = isinstance(value, str) and not value.lstrip().startswith("[")
            if section == SOURCE_SECTION and is_text and options[key].is_list:
                raise UsageError(f'{where} has "{key}", which must be a list: ["…", "…"].')


def _configured_values(section: str) -> Iterator[tuple[str, str, Any, bool]]:
    """Place, key and value of each key of a section, and whether secrets may be there.

    The value of a table is any mapping.
    """
    prefix = section.replace(".", "__").upper() + "__"
    for variable, value in os.environ.items():
        key, *nested = variable.removeprefix(prefix).lower().split("__")
        if variable.startswith(prefix):
            yield f"The environment ({variable})", key, {} if nested else value, True
    *outer, name = section.split(".")
    for provider in _providers():
        values, _ = provider.get_value(name, dict, None, *outer)
        for key, value in values.items() if isinstance(values, Mapping) else ():
            yield f"[{section}] in {provider.name}", key, value, provider.supports_secrets


def _providers() -> Sequence[Any]:
    """dlt's providers of configuration; raises `UsageError` for a file that is no TOML."""
    import dlt
    from dlt.common.configuration.providers.toml import TomlProviderReadException

    try:
        return dlt.config.config_providers
    except TomlProviderReadException as error:
        files = " or ".join(filter(os.path.exists, error.full_paths))
        _, _, reason = str(error).partition("\n")
        raise UsageError(f"{files} is no TOML: {reason}") from None


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
