"""The settings of a DAG: a JSON object in an Airflow Variable, read when a task runs.

Most settings are named like the commands' options, and become dlt's configuration.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final, Self

from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.options import (
    CHECK_SECTION,
    SECTION,
    SOURCE_SECTION,
    CheckOptions,
    DestinationOptions,
    ModelOptions,
    RunOptions,
    check_name,
    drop_none,
)
from bedrock_async_invokes.errors import OptionError
from bedrock_async_invokes.options import LoadOptions, option, options_of

EXAMPLE: Final = '{"database": "/data/bedrock_async.duckdb"}'
PER_TASK: Final = ("shard", "since", "until")
"""Options of a load that belong to a task or to a run of the DAG."""
PLACES: Final = ("database", "lake", "export", "models", "publish")
"""Settings that name a folder or a file."""
NAMES: Final[Mapping[type, str]] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list of texts",
    dict: "an object",
}


@dataclass(frozen=True, kw_only=True)
class AirflowOptions:
    """The settings that only a DAG has."""

    shards: int = option(1, "Load tasks that share the scopes of a lake.")
    export: str | None = option(None, "URL to export to.")
    aws_conn_id: str | None = option(None, "Airflow connection with the AWS credentials.")


LOAD: Final = {each.name: each for each in options_of(LoadOptions) if each.name not in PER_TASK}
_PUBLISH: Final = [each for each in options_of(RunOptions) if each.name == "publish"]
PLACE: Final = {
    each.name: each
    for each in (*options_of(DestinationOptions), *options_of(ModelOptions), *_PUBLISH)
}
OWN: Final = {each.name: each for each in options_of(AirflowOptions)}
CHECK: Final = {each.name: each for each in options_of(CheckOptions) if each.name != "notify"}
"""Thresholds; Airflow has notifications of its own."""


@dataclass(frozen=True)
class AirflowSettings(AirflowOptions):
    """The settings of a DAG's tasks."""

    has_thresholds: bool = False
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The other settings as dlt's configuration reads them from the environment."""

    @classmethod
    def parse(cls, variable: str, text: str) -> Self:
        """The settings in the Variable of that name; raises `UsageError`, naming what is wrong."""
        where = f"The Variable {variable}"
        try:
            document = json.loads(text)
        except ValueError as error:
            raise UsageError(f"{where} is not JSON: {error}. It looks like {EXAMPLE}.") from None
        if not isinstance(document, dict):
            raise UsageError(f"{where} is not a JSON object. It looks like {EXAMPLE}.")
        options = (PLACE | LOAD | OWN).items()
        kinds = {name: each.choices or (each.kind,) for name, each in options}
        _check_each(where, document, kinds | {"check": (dict,)})
        thresholds = document.get("check", {})
        # A threshold is a text such as "5%" or a number; `models` has those of single models.
        limits = dict.fromkeys(CHECK, (str, int, float))
        flags = {name: (bool,) for name, each in CHECK.items() if each.type is bool}
        _check_each(f'{where}, "check"', thresholds, limits | flags | {"models": (dict,)})
        _check_together(where, document)
        load = {name: value for name, value in document.items() if name in LOAD}
        try:
            LoadOptions(**load)
        except OptionError as error:
            raise UsageError(f"{where}: {error}") from None
        place = {name: value for name, value in document.items() if name in PLACE}
        if document.get("database"):
            place |= {"destination": "duckdb", "lake": ""}  # the worker may have a lake configured
        return cls(
            **{name: value for name, value in document.items() if name in OWN},
            has_thresholds=bool(thresholds),
            environment=_variables(SECTION, place)
            | _variables(SOURCE_SECTION, load)
            | _variables(CHECK_SECTION, thresholds),
        )


def task_environment(**options: str | None) -> dict[str, str]:
    """Environment variables for options of the load that only one task has."""
    return _variables(SOURCE_SECTION, drop_none(**options))


def _variables(section: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Values as environment variables, by dlt's names for them."""
    prefix = section.upper().replace(".", "__")
    return {
        f"{prefix}__{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }


def _check_each(where: str, document: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """Raise `UsageError` for unknown names, and for values of another kind."""
    for name, value in document.items():
        check_name(where, name, kinds)
        is_kind = type(value) in kinds[name] or (isinstance(value, str) and value in kinds[name])
        entries = value if isinstance(value, list) else ()
        if is_kind and all(isinstance(each, str) for each in entries):
            continue
        expected = " or ".join(NAMES.get(kind, f'"{kind}"') for kind in kinds[name])
        is_secret = name in LOAD and LOAD[name].is_secret
        found = NAMES.get(type(value), "null") if is_secret else json.dumps(value)
        raise UsageError(f'{where}: "{name}" must be {expected}, not {found}.')


def _check_together(where: str, document: Mapping[str, Any]) -> None:
    database, lake = document.get("database"), document.get("lake")
    if bool(database) == bool(lake):
        raise UsageError(f'{where} needs either "database" or "lake", such as {EXAMPLE}.')
    if "destination" in document and not lake:
        raise UsageError(f'{where}: "destination" goes with "lake".')
    if document.get("publish") and not database:
        raise UsageError(f'{where}: "publish" goes with "database", which it copies.')
    shards = document.get("shards", 1)
    if shards < 1:
        raise UsageError(f'{where}: "shards" must be 1 or more, not {shards}.')
    if shards > 1 and not lake:
        raise UsageError(
            f'{where}: "shards" needs "lake", since one process at a time writes a DuckDB file.'
        )
    for name in PLACES:
        # A relative path would depend on where the worker was started.
        place = document.get(name)
        if place and "://" not in place and not PurePath(place).is_absolute():
            raise UsageError(
                f'{where}: "{name}" must be a whole path, not {place!r}: it begins with /.'
            )
