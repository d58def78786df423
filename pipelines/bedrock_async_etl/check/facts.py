"""What a copy says of itself, as far as it is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import duckdb

from bedrock_async_etl.check.queries import (
    AS_OF,
    MODEL_IDS,
    MODELLED,
    NEWEST,
    OPEN,
    OUTCOMES,
    SURVIVALS,
)
from bedrock_async_etl.check.thresholds import Limits, Thresholds
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.status import Row, read_scopes

MODELS: Final = "bedrock_analytics.invocations"


@dataclass(frozen=True)
class Outcomes:
    """What became of a model's invocations that were submitted in the window."""

    model_id: str
    terminal: int
    failed: int


@dataclass(frozen=True)
class Survival:
    """How long a model's invocations that were submitted in the window take, seconds."""

    model_id: str
    ended: int
    still_open: int
    p95: float | None
    """None where the Kaplan-Meier estimate does not reach it."""
    longest: float
    """The longest that one has taken, or has been open for."""


@dataclass(frozen=True)
class OpenInvocations:
    """A model's open invocations, whenever they were submitted."""

    model_id: str
    still_open: int
    too_old: int
    oldest_age: float
    oldest_arn: str


@dataclass(frozen=True)
class ScopeRuns:
    """What the runs of a scope say."""

    scope: str
    loaded_at: float | None
    """When the last good one was loaded, seconds since 1970 by the loading machine's clock."""
    last_success_at: datetime | None
    last_outcome: str
    last_error: str


@dataclass(frozen=True)
class Facts:
    """All that is judged; what no threshold asks for is empty."""

    since: datetime | None = None
    """The window: [since, until), up to the last good run of any scope."""
    until: datetime | None = None
    newest: datetime | None = None
    """When the newest invocation of all was submitted."""
    outcomes: Sequence[Outcomes] = ()
    survivals: Sequence[Survival] = ()
    still_open: Sequence[OpenInvocations] = ()
    runs: Sequence[ScopeRuns] = ()
    modelled_at: float | None = None
    """As `ScopeRuns.loaded_at`, of the newest run that the models know."""
    model_ids: frozenset[str] = frozenset()


def read_facts(destination: Destination, thresholds: Thresholds) -> Facts:
    """Read what the thresholds are about.

    Raises `CommandError` where nothing was loaded yet, or where models are needed and not built.
    """
    try:
        with destination.reading() as connection:
            runs = _runs(destination, connection)
            known = _modelled(destination, connection, thresholds)
    except duckdb.Error as error:
        raise CommandError(destination.explain(error)) from error
    return Facts(runs=runs, **known)


def _runs(destination: Destination, connection: duckdb.DuckDBPyConnection) -> list[ScopeRuns]:
    try:
        runs = [_scope_runs(scope) for scope in read_scopes(connection)]
    except duckdb.CatalogException:
        runs = []
    if not runs:
        raise CommandError(f"{destination} has no runs yet: load it first with `run`.")
    return runs


def _scope_runs(scope: Row) -> ScopeRuns:
    loaded_at: datetime | None = scope["last_success_loaded_at"]
    return ScopeRuns(
        f"{scope['account_id']}/{scope['region']}",
        loaded_at.timestamp() if loaded_at else None,
        scope["last_success_at"],
        scope["last_outcome"],
        scope["last_error"] or "",
    )


def _modelled(
    destination: Destination, connection: duckdb.DuckDBPyConnection, thresholds: Thresholds
) -> dict[str, Any]:
    if not thresholds.need_models:
        return {}
    try:
        connection.sql(f"from {MODELS}")
    except duckdb.CatalogException:
        raise CommandError(
            f"{destination} has no models yet: build them with `models`, or by a `run` without "
            "--no-models."
        ) from None
    return {
        **_of_window(connection, thresholds),
        "newest": _value(connection, NEWEST),
        "still_open": _still_open(connection, thresholds.open_age),
        "modelled_at": _value(connection, MODELLED),
        "model_ids": _model_ids(connection, thresholds),
    }


def _of_window(connection: duckdb.DuckDBPyConnection, thresholds: Thresholds) -> dict[str, Any]:
    until = _value(connection, AS_OF)
    if until is None:
        return {}
    window = {"since": until - thresholds.window, "until": until}
    outcomes = _rows(connection, OUTCOMES, window) if thresholds.need_data else []
    survivals = _rows(connection, SURVIVALS, window) if thresholds.p95 else []
    return {
        **window,
        "outcomes": [Outcomes(**row) for row in outcomes],
        "survivals": [Survival(**row) for row in survivals],
    }


def _still_open(connection: duckdb.DuckDBPyConnection, limits: Limits) -> list[OpenInvocations]:
    if not limits:
        return []
    values = {
        "models": list(limits.by_model),
        "limits": list(limits.by_model.values()),
        "general": limits.general,
    }
    return [OpenInvocations(**row) for row in _rows(connection, OPEN, values)]


def _model_ids(connection: duckdb.DuckDBPyConnection, thresholds: Thresholds) -> frozenset[str]:
    if not thresholds.models:
        return frozenset()
    return frozenset(name for (name,) in connection.sql(MODEL_IDS).fetchall())


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    result = connection.execute(query, values or {})
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _value(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    [(value,)] = connection.sql(query).fetchall()
    return value
