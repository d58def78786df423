"""How each scope stands: fresh, open, failed."""

from typing import Any

import duckdb

from pipelines.console import output_console, plain_table, show_time
from pipelines.destinations import Destination
from pipelines.errors import CommandError

QUERY = """
with runs as (
    select
        *,
        max(finished_at) filter (where outcome = 'ok')
            over (partition by account_id, region) as last_success_at,
    from bedrock.extract_runs
)

select
    account_id,
    region,
    last_success_at,
    outcome as last_outcome,
    submitted_through,
    open_invocations,
    error as last_error,
from runs
qualify row_number() over (partition by account_id, region order by finished_at desc) = 1
order by account_id, region
"""


def read_status(destination: Destination) -> list[dict[str, Any]]:
    """One dictionary per scope, from its newest run in `extract_runs`."""
    try:
        with destination.reading() as connection:
            rows: list[dict[str, Any]] = connection.sql(QUERY).to_arrow_table().to_pylist()
    except duckdb.CatalogException:
        raise CommandError(f"{destination} has no runs yet: load it first with `run`.") from None
    except duckdb.Error as error:
        raise CommandError(destination.explain(error)) from error
    return rows


def print_status(scopes: list[dict[str, Any]]) -> None:
    """A row per scope, and below it what failed."""
    texts = ("account", "region", "last run", "last success (UTC)", "submitted through (UTC)")
    table = plain_table(*texts, numbers=("open",))
    for scope in scopes:
        table.add_row(
            scope["account_id"],
            scope["region"],
            scope["last_outcome"],
            show_time(scope["last_success_at"]),
            show_time(scope["submitted_through"]),
            f"{scope['open_invocations']:,}",
        )
    console = output_console()
    console.print(table)
    for scope in scopes:
        if scope["last_error"]:
            console.print(f"{scope['account_id']}/{scope['region']}: {scope['last_error']}")
