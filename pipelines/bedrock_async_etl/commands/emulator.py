"""`emulator`: a local Bedrock in the foreground."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_invokes.options import parse_time

EXAMPLES: Final = """\
# Run it, point AWS's tools at it, and load from it
rm -f emulator.env; bedrock-async-etl emulator --port 0 > emulator.env &
until grep -qs METADATA emulator.env; do sleep 1; done; source emulator.env
bedrock-async-etl run --database emulator.duckdb
"""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ACCOUNT: Final = re.compile("[0-9]{12}")
REGION: Final = re.compile("[a-z]{2,4}(-[a-z]+)+-[0-9]+")


def command(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 4599,
    now: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Time of its clock, such as 2026-01-31.", show_default="now"
        ),
    ] = None,
    account: Annotated[str, typer.Option(help="Account of the credentials.")] = "111122223333",
    region: Annotated[str, typer.Option(help="Region to fill.")] = "us-east-1",
    count: Annotated[int, typer.Option(help="Invocations to begin with.")] = 10_000,
    days: Annotated[int, typer.Option(help="Days over which they are spread.")] = 30,
) -> None:
    """Run a local Bedrock emulator. Print the environment variables that select it."""
    from bedrock_emulator import Emulator

    clock = parse_time("--now", now) if now else datetime.now(UTC)
    _check(port, account, region, count, days, (clock - EPOCH).days)
    try:
        emulator = Emulator(clock, port=port)
    except OSError as error:
        raise CommandError(
            f"Port {port} cannot be served: {error.strerror}. Try --port 0."
        ) from error
    with emulator:
        if count:
            emulator.control.populate(account, region, count, clock - timedelta(days=days), clock)
        for name, value in emulator.environment(account, region).items():
            typer.echo(f"export {name}={value}")
        emulator.serve_forever()


def _check(port: int, account: str, region: str, count: int, days: int, max_days: int) -> None:
    """Raise `UsageError` for the first value that makes no sense."""
    rules = (
        (0 <= port <= 65_535, f"--port {port} is no port: give 1 to 65535, or 0 for a free one."),
        (ACCOUNT.fullmatch(account), f"--account {account!r} is no account: it has 12 digits."),
        (REGION.fullmatch(region), f"--region {region!r} is no region: it looks like us-east-1."),
        (count >= 0, f"--count must be 0 or more, not {count}."),
        (1 <= days <= max_days, f"--days must be 1 to {max_days} (since 1970), not {days}."),
    )
    for holds, complaint in rules:
        if not holds:
            raise UsageError(complaint)
