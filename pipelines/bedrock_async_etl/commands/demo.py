"""`demo`: everything against a local Bedrock: the proof that the copy is exact, and a report."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bedrock_async_etl.commands.models import print_refresh
from bedrock_async_etl.commands.run import print_result
from bedrock_async_etl.commands.verify import verdict
from bedrock_async_etl.configuration import environment
from bedrock_async_etl.console import has_display, open_page, output_console, plain_table
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.formatting import format_latency
from bedrock_async_invokes.options import LoadOptions, options_of

if TYPE_CHECKING:
    from rich.console import Console

    from bedrock_async_etl.destinations.duckdb import DuckDBDestination
    from bedrock_emulator import Control

EXAMPLES: Final = """\
# All of it, without AWS
bedrock-async-etl demo
"""
DATABASE: Final = "bedrock_demo.duckdb"
QUOTA: Final = "amazon.nova-reel-v1:1=20"
NOW: Final = datetime(2026, 3, 31, 12, tzinfo=UTC)
HISTORY: Final = timedelta(days=30)
STEP: Final = timedelta(hours=6)
ACCOUNTS: Final = ("111122223333", "444455556666")
REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1")
ROLE: Final = f"arn:aws:iam::{ACCOUNTS[1]}:role/bedrock-async-etl"
INVOCATIONS: Final = (40_000, 4_000, 4_000, 4_000, 4_000, 4_000)
"""Per scope; the first is the busy one, and has a bad day."""
FIRST_SEED: Final = 10

TABLES: Final = (
    """
select
    model_id as model,
    invocations,
    failed,
    format('{:.1f} %', 100 * failure_rate) as "failure rate",
    format('{:.1f} % - {:.1f} %', 100 * failure_rate_low, 100 * failure_rate_high)
        as "95 % interval",
    open_invocations as open,
    stuck,
from bedrock_analytics.model_summary
order by model_id
""",
    """
select
    model_id as latency,
    survival_p50 as p50,
    survival_p95 as p95,
    survival_p99 as p99,
from bedrock_analytics.model_summary
order by model_id
""",
    """
select
    model_id as incidents,
    strftime(started_at, '%d %b %H:%M') as "from (UTC)",
    strftime(ended_at, '%d %b %H:%M') as until,
    format('{} of {}', failed, terminal) as failed,
    round(excess_failed)::bigint as "more than usual",
    failure_category as cause,
from bedrock_analytics.incidents
order by started_at
""",
)
"""The models at a glance: a column of names, and columns of numbers. Latencies count open ones."""
LOAD: Final = {
    **{option.name: option.default for option in options_of(LoadOptions)},
    "regions": REGIONS,
    "role_arns": [ROLE],
}
"""Every option, as what is left out would come from the user's configuration."""
WIDTH: Final = 80
"""Columns of a heading, also in a file."""


def command(
    database: Annotated[Path, typer.Option(metavar="FILE", help="DuckDB file, made anew.")] = Path(
        DATABASE
    ),
    is_opened: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open",
            help="Open the report in a browser.",
            show_default="where there is a display",
        ),
    ] = None,
) -> int:
    """Load from a local Bedrock, model, prove the copy exact, report."""
    from bedrock_async_etl.destinations.duckdb import DuckDBDestination

    page = database.with_suffix(".html")
    if page == database:
        raise UsageError(
            f"{page} is where the report goes: name the database {DATABASE}, for example."
        )
    for file in (database, page):
        if file.exists() and database.name != DATABASE:
            raise CommandError(f"{file} exists, and the demo makes its file anew: name another.")
    console = output_console()
    destination = DuckDBDestination(database)
    with _local_bedrock() as bedrock:
        console.print(f"A local Bedrock serves at {bedrock.url}.")
        _populate(console, bedrock)
        with destination.locked():
            database.unlink(missing_ok=True)
        _load(console, destination, "First load: everything that is listed.")
        bedrock.advance(STEP)
        hours = STEP // timedelta(hours=1)
        console.print(
            f"\nThe clock moves on {hours} hours: invocations are submitted, running ones end.\n"
        )
        _load(console, destination, "Second load: only what is new or changed.")
        console.print()
        _load(console, destination, "Third load, nothing has happened: nothing is written.")
        _model(console, destination)
        exit_code = prove(console, destination)
    _report(console, destination, page)
    if has_display() if is_opened is None else is_opened:
        open_page(page)
    return exit_code


@contextmanager
def _local_bedrock() -> "Iterator[Control]":
    """An emulator, with this process's environment pointing at it."""
    from bedrock_emulator import Emulator

    with Emulator(NOW) as emulator:
        variables: dict[str, str | None] = {**emulator.environment(ACCOUNTS[0], REGIONS[0])}
        variables |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "AWS_PROFILE": None}
        with environment(variables):
            yield emulator.control


def _populate(console: "Console", bedrock: "Control") -> None:
    scopes = [(account, region) for account in ACCOUNTS for region in REGIONS]
    span = NOW - HISTORY, NOW + 2 * STEP
    for seed, (scope, count) in enumerate(zip(scopes, INVOCATIONS, strict=True), FIRST_SEED):
        bedrock.populate(*scope, count, *span, seed, has_bad_day=seed == FIRST_SEED)
    console.print(
        f"It has {len(ACCOUNTS)} accounts in {len(REGIONS)} regions, "
        f"each with {HISTORY.days} days of history. Its clock stands at {NOW:%Y-%m-%d %H:%M} UTC.\n"
    )


def _print_heading(console: "Console", title: str) -> None:
    from rich.rule import Rule

    console.print(Rule(title, align="left"), width=WIDTH)


def _load(console: "Console", destination: "DuckDBDestination", title: str) -> None:
    from bedrock_async_etl.load import load
    from bedrock_async_etl.progress import load_progress

    _print_heading(console, title)
    with load_progress() as observer:
        result = load(destination, LOAD, observer=observer)
    print_result(result)
    if result.failed:
        raise CommandError("A scope failed.")


def _model(console: "Console", destination: "DuckDBDestination") -> None:
    from bedrock_async_etl.models.refresh import refresh

    console.print()
    _print_heading(console, "Models: the last 30 days, all accounts and regions.")
    refreshed = refresh(destination)
    if refreshed.exit_code:
        raise CommandError(refreshed.error or "A check does not hold.")
    with destination.connection() as connection:
        for query in TABLES:
            relation = connection.sql(query)
            rows = [[_cell(value) for value in row] for row in relation.fetchall()]
            console.print(plain_table(relation.columns, rows, numbers=relation.columns[1:]))
            console.print()
    print_refresh(refreshed)


def _cell(value: Any) -> Any:
    """Latencies are the only fractions."""
    return format_latency(value) if isinstance(value, float) else value


def prove(
    console: "Console", destination: "DuckDBDestination", options: Mapping[str, Any] = LOAD
) -> int:
    """Compare the table with the whole listing, row by row and column by column; 0 if equal."""
    from bedrock_async_etl.load.verification import verify

    console.print()
    _print_heading(console, "Proof: the table against the full listing, row by row.")
    found = verify(destination, options)
    console.print(verdict(found))
    return 1 if found.exit_code else 0


def _report(console: "Console", destination: "DuckDBDestination", page: Path) -> None:
    from bedrock_async_etl.options import ReportOptions
    from bedrock_async_etl.report.report import write_report

    console.print()
    _print_heading(console, "Report: the same as one page, with the incident in it.")
    console.print(write_report(destination, page, ReportOptions(quotas=[QUOTA])).message)
    look = "from bedrock_analytics.model_summary select model_id, failure_rate, survival_p95"
    opened = f"duckdb.connect('{destination.database}', read_only=True)"
    query = f"import duckdb; print({opened}.sql('{look}'))"
    console.print("\nGo on with SQL, or with your own account:")
    console.print(f'  uv run python -c "{query}"')
    console.print("  uv run bedrock-async-etl run")
