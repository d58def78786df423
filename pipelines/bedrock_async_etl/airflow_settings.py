"""What a DAG's Airflow Variable says: a JSON object, read when a task runs."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final, Self

from bedrock_async_etl.errors import UsageError

EXAMPLE: Final = '{"database": "/data/bedrock_async.duckdb"}'
SOURCE: Final = "SOURCES__BEDROCK_ASYNC_INVOKES"
CHECK: Final = "BEDROCK_ASYNC_ETL__CHECK"

Kinds = Mapping[str, tuple[type, ...]]
"""By name, the types that a value may have."""

PLACES: Final = ("database", "lake", "export", "models")
"""Settings that name a folder or a file."""
SOURCE_SETTINGS: Final[Kinds] = {
    "regions": (list,),
    "role_arns": (list,),
    "organization_role": (str,),
    "hub_role_arn": (str,),
    "external_id": (str,),
    "role_session_name": (str,),
    "lag_seconds": (int,),
    "concurrency": (int,),
    "failure_message": (str,),
}
"""Settings that the source's configuration has by the same names."""
SETTINGS: Final[Kinds] = {
    **dict.fromkeys(PLACES, (str,)),
    "destination": (str,),
    **SOURCE_SETTINGS,
    "shards": (int,),
    "aws_conn_id": (str,),
    "check": (dict,),
}
THRESHOLDS: Final[Kinds] = {
    "max_failure_rate": (str, float),
    "max_p95": (str, int, float),
    "max_open_age": (str, int, float),
    "max_lag": (str, int, float),
    "window": (str, int, float),
    "strict": (bool,),
    "allow_empty": (bool,),
    "models": (dict,),
}
SECRET: Final = "external_id"
"""It is told to nobody, be it of the wrong kind."""
NAMES: Final[Mapping[type, str]] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list of texts",
    dict: "an object",
}


@dataclass(frozen=True)
class AirflowSettings:
    """Where to load to, what is read, and what becomes of it; None where nothing is said."""

    database: str | None = None
    lake: str | None = None
    destination: str | None = None
    """`parquet` or `delta`: what a new lake is made of."""
    models: str | None = None
    """A folder with SQL models and checks of one's own."""
    regions: list[str] | None = None
    role_arns: list[str] | None = None
    organization_role: str | None = None
    hub_role_arn: str | None = None
    external_id: str | None = field(default=None, repr=False)
    role_session_name: str | None = None
    lag_seconds: int | None = None
    concurrency: int | None = None
    failure_message: str | None = None
    shards: int = 1
    """How many load tasks divide the scopes among them."""
    export: str | None = None
    """The URL to export to."""
    aws_conn_id: str | None = None
    """The Airflow connection that has the AWS credentials."""
    check: Mapping[str, Any] = field(default_factory=dict)
    """Thresholds, by the names that the configuration of `check` has for them."""

    @classmethod
    def parse(cls, variable: str, text: str) -> Self:
        """What the Variable of that name has; raises `UsageError`, saying what is wrong with it."""
        where = f"The Variable {variable}"
        try:
            document = json.loads(text)
        except ValueError as error:
            raise UsageError(f"{where} is not JSON: {error}. It looks like {EXAMPLE}.") from None
        if not isinstance(document, dict):
            raise UsageError(f"{where} is not a JSON object. It looks like {EXAMPLE}.")
        _check_each(where, document, SETTINGS)
        _check_each(f'{where}, "check"', document.get("check", {}), THRESHOLDS)
        settings = cls(**document)
        settings._check_together(where)
        return settings

    @property
    def place(self) -> dict[str, Any]:
        """Where to load to, and what was loaded, as `find_destination` is told of it."""
        if self.database:
            return {"database": self.database, "lake": ""}
        return {"lake": self.lake}

    @property
    def kind(self) -> dict[str, Any]:
        """What a new destination is made of, as `find_destination` is told of it."""
        kind = "duckdb" if self.database else self.destination
        return {"destination": kind} if kind else {}

    @property
    def environment(self) -> dict[str, str]:
        """What dlt's configuration is to have, as variables of the environment."""
        given = {f"{SOURCE}__{name.upper()}": getattr(self, name) for name in SOURCE_SETTINGS}
        given |= {f"{CHECK}__{name.upper()}": value for name, value in self.check.items()}
        return {name: _as_text(value) for name, value in given.items() if value is not None}

    def _check_together(self, where: str) -> None:
        if bool(self.database) == bool(self.lake):
            raise UsageError(f'{where} has either "database" or "lake", such as {EXAMPLE}.')
        if self.destination and not self.lake:
            raise UsageError(f'{where}: "destination" goes with "lake".')
        if self.shards < 1:
            raise UsageError(f'{where}: "shards" is 1 or more, not {self.shards}.')
        if self.shards > 1 and not self.lake:
            raise UsageError(
                f'{where}: "shards" needs "lake", since one process at a time writes a DuckDB file.'
            )
        for name in PLACES:
            _check_place(where, name, getattr(self, name))


def _check_each(where: str, document: Mapping[str, Any], kinds: Kinds) -> None:
    """Raise `UsageError` for a name that is none of these, and for a value of another kind."""
    for name, value in document.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, 1)
            hint = f'did you mean "{near[0]}"?' if near else f"it may have {', '.join(kinds)}."
            raise UsageError(f'{where} has "{name}", which is no setting: {hint}')
        if type(value) not in kinds[name] or (
            isinstance(value, list) and not all(isinstance(each, str) for each in value)
        ):
            expected = " or ".join(NAMES[kind] for kind in kinds[name])
            found = NAMES.get(type(value), "null") if name == SECRET else json.dumps(value)
            raise UsageError(f'{where}: "{name}" is {expected}, not {found}.')


def _check_place(where: str, name: str, place: str | None) -> None:
    """Raise `UsageError` for a path that depends on where the worker was started."""
    if place and "://" not in place and not PurePath(place).is_absolute():
        raise UsageError(f'{where}: "{name}" is a whole path, not {place!r}: it begins with /.')


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
