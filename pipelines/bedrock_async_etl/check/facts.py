"""The data that is checked: its window, its runs, and queries of its models."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb

from bedrock_async_etl.check.thresholds import Thresholds
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.status import Row, read_rows, read_scopes

MODELLED: Final = """
with scopes as (
    select
        max(as_of) as until,
        max(as_of) - $window as since,
        max(last_success_at) as last_success_at
    from bedrock_analytics.scopes
)

select
    since,
    until,
    (select max(submit_time) from bedrock_analytics.invocations) as newest,
    (
        select count(*)
        from bedrock_analytics.invocations
        where is_terminal and submit_time >= since and submit_time < until
    ) as ended,
    (
        select coalesce(list(distinct coalesce(model_id, model_arn)), [])
        from bedrock_analytics.invocations
        where model_arn is not null
    ) as model_ids,
    (
        select max(cast(_dlt_load_id as double))
        from bedrock.extract_runs
        where
            outcome = 'ok'
            and not coalesce(is_range, false)
            and finished_at <= (select last_success_at from scopes)
    ) as modelled_at
from scopes
"""


@dataclass(frozen=True)
class Facts:
    """The facts that all rules share; without models, all but the runs is empty."""

    connection: duckdb.DuckDBPyConnection
    now: datetime
    """By this machine's clock."""
    runs: Sequence[Row] = ()
    """The newest run of each scope."""
    since: datetime | None = None
    """The window: [since, until), up to the last successful run of any scope."""
    until: datetime | None = None
    newest: datetime | None = None
    """The submission of the newest invocation of all."""
    ended: int = 0
    """Invocations of the window that are terminal."""
    model_ids: Sequence[str] = ()
    modelled_at: float | None = None
    """Load time of the newest run that the models know, by the loading machine's clock."""


def read_facts(
    connection: duckdb.DuckDBPyConnection,
    destination: str,
    thresholds: Thresholds,
    now: datetime,
) -> Facts:
    """Read what all rules share.

    Raises `CommandError` where nothing was loaded yet, or where models are needed and not built.
    """
    try:
        runs = read_scopes(connection)
    except duckdb.CatalogException:
        runs = []
    if not runs:
        raise CommandError(f"{destination} has no runs yet: load it first with `run`.")
    if not thresholds.need_models:
        return Facts(connection, now, runs)
    try:
        [modelled] = read_rows(connection, MODELLED, window=thresholds.window)
    except duckdb.CatalogException:
        raise CommandError(
            f"{destination} has no models yet: build them with `models`, or by a `run` without "
            "--no-models."
        ) from None
    return Facts(connection, now, runs, **modelled)
