"""`models`: bring the SQL models up to date and check them."""

from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from bedrock_async_etl.commands.options import (
    Copy,
    JsonOption,
    Models,
    StrictOption,
    existing_copy,
)
from bedrock_async_etl.console import output_console, plain_table, print_json
from bedrock_async_etl.formatting import format_count

if TYPE_CHECKING:
    from bedrock_async_etl.models.refresh import Refresh

EXAMPLES: Final = """\
# Bring the models up to date, and those of a folder of yours, without loading anything
bedrock-async-etl models --models our_models

# Build and check all of history anew, not only the dates that changed
bedrock-async-etl models --full

# Those of a lake
bedrock-async-etl models --lake lake
"""


def command(
    copy: Copy,
    models: Models,
    engine: Annotated[
        Literal["duckdb", "spark"],
        typer.Option(help="Engine that builds them.", rich_help_panel="Engine"),
    ] = "duckdb",
    master: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Spark's master.",
            show_default="local[*]",
            rich_help_panel="Engine",
        ),
    ] = None,
    remote: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="A Spark Connect server: sc://HOST:PORT.", rich_help_panel="Engine"
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Build and check all dates, not those that changed.",
            rich_help_panel="Models",
        ),
    ] = False,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> int:
    """Bring the SQL models up to date and check them. Exit code 1 if a check does not hold."""
    from bedrock_async_etl.models.build import find_models
    from bedrock_async_etl.models.progress import models_progress
    from bedrock_async_etl.models.refresh import open_tables, refresh

    target = existing_copy(copy)
    user_models = find_models(**models)
    opened = open_tables(engine, target, master, remote)
    with models_progress() as on_built:
        refreshed = refresh(target, user_models, on_built, opened, strict=strict, is_full=full)
    refreshed.log()
    if as_json:
        print_json(refreshed.as_json() | {"exit_code": refreshed.exit_code})
        return refreshed.exit_code
    if refreshed.models:
        rows = [
            (
                model.name,
                model.rows,
                "all" if model.dates is None else str(model.dates),
                f"{model.seconds:.2f}",
            )
            for model in refreshed.models
        ]
        numbers = ("rows", "dates built", "seconds")
        output_console().print(plain_table(["model", *numbers], rows, numbers=numbers))
    print_refresh(refreshed)
    return refreshed.exit_code


def print_refresh(refresh: "Refresh") -> None:
    """Print how many models were built and how many checks hold; nothing after an error."""
    if refresh.error:
        return
    seconds = sum(model.seconds for model in refresh.models)
    held = sum(check.holds for check in refresh.checks)
    warnings = len(refresh.warnings)
    rest = f", {format_count(warnings, 'warning')}" if warnings else ""
    output_console().print(
        f"Built {format_count(len(refresh.models), 'model')} in {seconds:.1f} s; "
        f"{held} of {len(refresh.checks)} checks hold{rest}."
    )
