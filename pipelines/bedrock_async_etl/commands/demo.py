"""The whole of it against a local Bedrock: load, let time pass, load again, prove the copy."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bedrock_async_etl import DEMO_DATABASE
from bedrock_async_etl.commands.console import output_console, print_refresh, print_result
from bedrock_async_etl.commands.summary import print_summary
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.load import load
from bedrock_async_etl.models.refresh import refresh
from bedrock_async_etl.progress import watched
from bedrock_async_invokes.columns import ASYNC_INVOKES
from bedrock_emulator import Control

NOW: Final = datetime(2026, 3, 31, 12, tzinfo=UTC)
HISTORY: Final = timedelta(days=30)
STEP: Final = timedelta(hours=6)
ACCOUNTS: Final = ("111122223333", "444455556666")
REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1")
ROLE: Final = f"arn:aws:iam::{ACCOUNTS[1]}:role/bedrock-async-etl"
INVOCATIONS: Final = (40_000, 4_000, 4_000, 4_000, 4_000, 4_000)
"""Per scope; the first is the busy one."""
FIRST_SEED: Final = 10
EXPORT: Final = re.compile(r"export (\w+)=(\S+)")
COMPARED: Final = [
    name for name in ASYNC_INVOKES.schema.names if name not in ("observed_at", "submit_date")
]


def run_demo(database: Path) -> int:
    """Load `database` anew from a local Bedrock; 0 if it ends as an exact copy, else 1."""
    if database.exists() and database.name != DEMO_DATABASE:
        raise CommandError(f"{database} exists, and the demo makes its file anew: name another.")
    console = output_console()
    destination = DuckDBDestination(database)
    with local_bedrock() as bedrock:
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
        return _prove(console, bedrock, destination)


@contextmanager
def local_bedrock() -> Iterator[Control]:
    """An emulator in a process of its own, with this process's environment pointing at it."""
    command = [sys.executable, "-m", "bedrock_async_etl", "emulator", "--port=0", "--count=0"]
    process = subprocess.Popen(  # noqa: S603 - our own command line
        [*command, f"--now={NOW.isoformat()}"], stdout=subprocess.PIPE, text=True
    )
    with process, _environment(_exports(process)) as environment:
        try:
            yield Control(environment["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"])
        finally:
            process.terminate()


def _exports(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    exports: dict[str, str] = {}
    while "AWS_EC2_METADATA_DISABLED" not in exports:
        match = EXPORT.match(process.stdout.readline())
        if match is None:
            raise CommandError("The local Bedrock did not start.")
        exports[match[1]] = match[2]
    return exports


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[dict[str, str]]:
    before = dict(os.environ)
    os.environ.update(variables | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"})
    os.environ.pop("AWS_PROFILE", None)
    try:
        yield variables
    finally:
        os.environ.clear()
        os.environ.update(before)


def _populate(console: Console, bedrock: Control) -> None:
    scopes = [(account, region) for account in ACCOUNTS for region in REGIONS]
    for seed, (scope, count) in enumerate(zip(scopes, INVOCATIONS, strict=True), FIRST_SEED):
        bedrock.populate(*scope, count, NOW - HISTORY, NOW + 2 * STEP, seed)
    console.print(
        f"It has {len(ACCOUNTS)} accounts in {len(REGIONS)} regions, "
        f"each with {HISTORY.days} days of history. Its clock stands at {NOW:%Y-%m-%d %H:%M} UTC.\n"
    )


def _load(console: Console, destination: DuckDBDestination, title: str) -> None:
    console.rule(title, align="left")
    with watched() as observer:
        result = load(destination, {"regions": REGIONS, "role_arns": [ROLE]}, observer=observer)
    print_result(result)
    if result.failed:
        raise CommandError("A scope failed.")


def _model(console: Console, destination: DuckDBDestination) -> None:
    console.print()
    console.rule("Models: the last 30 days, all accounts and regions.", align="left")
    refreshed = refresh(destination)
    if refreshed.exit_code:
        raise CommandError(refreshed.error or "A check does not hold.")
    print_summary(destination)
    print_refresh(refreshed)


def _prove(console: Console, bedrock: Control, destination: DuckDBDestination) -> int:
    """Compare the table with the full listing, row by row and column by column."""
    console.print()
    console.rule("Proof: the table against the full listing, row by row.", align="left")
    listed = {
        summary["invocationArn"]: expected_row(summary)
        for account, region in bedrock.scopes()
        for summary in bedrock.iter_listing(account, region)
    }
    with destination.reading() as connection:
        rows = connection.table("bedrock.async_invokes").select(*COMPARED).fetchall()
    equal = sum(listed.get(row[0]) == row for row in rows)
    verdict = "an exact copy" if equal == len(rows) == len(listed) else "NOT an exact copy"
    console.print(
        f"{len(listed):,} listed, {len(rows):,} in the table, {equal:,} equal: {verdict}."
    )
    look = "from bedrock_analytics.model_summary select model_id, failure_rate, survival_p95"
    query = f"import duckdb; print(duckdb.connect('{destination.database}').sql('{look}'))"
    console.print(f'\nHave a look: uv run python -c "{query}"')
    return 0 if equal == len(rows) == len(listed) else 1


def expected_row(summary: dict[str, Any]) -> tuple[Any, ...]:
    """A listed invocation as the columns that are compared, read in the plainest way."""
    _, _, _, region, account_id, resource = summary["invocationArn"].split(":", 5)
    model_id = summary["modelArn"].rpartition("/")[2]
    is_foundation_model = ":foundation-model/" in summary["modelArn"]
    output = summary["outputDataConfig"]["s3OutputDataConfig"]
    return (
        summary["invocationArn"],
        account_id,
        region,
        resource.removeprefix("async-invoke/"),
        summary["modelArn"],
        model_id,
        model_id.partition(".")[0] if is_foundation_model else None,
        summary.get("clientRequestToken"),
        summary["status"],
        summary.get("failureMessage"),
        *(_time(summary.get(name)) for name in ("submitTime", "lastModifiedTime", "endTime")),
        output["s3Uri"],
        output.get("kmsKeyId"),
        output.get("bucketOwner"),
        None,
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
