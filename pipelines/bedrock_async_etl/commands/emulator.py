"""Serve the local Bedrock in the foreground."""

import sys
from datetime import UTC, datetime, timedelta

import typer

from bedrock_async_etl.errors import CommandError
from bedrock_emulator import Emulator


def serve(
    port: int, now: datetime | None, account: str, region: str, count: int, days: int
) -> None:
    """Fill one scope, print the environment that reaches it, serve until interrupted."""
    clock = now or datetime.now(UTC)
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
        sys.stdout.flush()
        emulator.serve_forever()
