"""The command line: the app, its error boundary, and `main`. Commands are in `commands/`."""

import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from bedrock_async_etl import version
from bedrock_async_etl.commands import (
    check,
    compact,
    demo,
    digest,
    emulator,
    export,
    models,
    report,
    run,
    status,
    verify,
)
from bedrock_async_etl.commands.help import PanelledCommand, epilog
from bedrock_async_etl.commands.options import typer_command
from bedrock_async_etl.configuration import check_configuration, private_files, set_defaults
from bedrock_async_etl.console import open_outputs, output_error, print_json
from bedrock_async_etl.errors import (
    CommandError,
    UsageError,
    exit_code_of,
    handle_signals,
    interruption_behind,
    reason_of,
)
from bedrock_async_etl.logs import LOGS, LogFormat, log_error, log_event, mask_credentials

set_defaults()

COMMANDS: Final = {
    "run": run,
    "verify": verify,
    "models": models,
    "export": export,
    "compact": compact,
    "report": report,
    "status": status,
    "check": check,
    "digest": digest,
    "demo": demo,
    "emulator": emulator,
}
"""Modules by the name of their command, in the order of the help."""
WRONG_COMMAND_LINE: Final[Any] = typer.BadParameter.__base__
"""Typer exports only what is derived from it."""


class Commands(TyperGroup):
    """The commands. A wrong command line is reported in JSON if it asks for JSON."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **options: Any) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in words
        log_format: LogFormat = "json" if "--log-format=json" in words else "text"
        if ("--log-format", "json") in pairwise(words):
            log_format = "json"
        if not as_json and log_format == "text":
            return super().main(args, *others, **options)
        try:
            exit_code = super().main(args, *others, **options | {"standalone_mode": False})
        except WRONG_COMMAND_LINE as error:
            with LOGS:
                LOGS.use(log_format)
                reason = UsageError(error.format_message())
                exit_code = _report_end(reason, debug=False, as_json=as_json)
        sys.exit(exit_code)


app = typer.Typer(
    name="bedrock-async-etl",
    cls=Commands,
    help="An exact, incremental copy of Amazon Bedrock's asynchronous invocations in DuckDB or a "
    "lake, and SQL models of their failure rates and latencies.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"bedrock-async-etl {version()}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of the app itself."""


def _run(
    command: Callable[[], int | None], *, debug: bool, as_json: bool, is_configured: bool
) -> None:
    """Run a command, log a failure in one line, and exit."""
    with LOGS:
        try:
            if is_configured:
                check_configuration()
            with private_files() if is_configured else nullcontext():
                exit_code = command() or 0
            if not exit_code and (lost := output_error()):
                raise CommandError(f"All is done, but stdout cannot be written: {lost.strerror}.")
        except (Exception, KeyboardInterrupt) as error:
            exit_code = _report_end(error, debug=debug, as_json=as_json)
            if interruption_behind(error):
                # Calls under way would be waited for; a run may be killed at any moment anyway.
                os._exit(exit_code)
        raise typer.Exit(exit_code)


def _report_end(error: BaseException, *, debug: bool, as_json: bool) -> int:
    """Log the error or signal that ends a command, in one line, and return the exit code.

    Print it, too, if the command's output is JSON.
    """
    exit_code = exit_code_of(error)
    if interruption := interruption_behind(error):
        reason = f"Interrupted by {str(interruption) or 'SIGINT'}. What was finished is kept."
        log_event("interrupted", reason, logging.WARNING, exit_code=exit_code)
    else:
        reason = reason_of(error)
        log_error(reason, trace=debug, exit_code=exit_code)
    if as_json:
        print_json({"error": mask_credentials(reason), "exit_code": exit_code})
    return exit_code


for name, module in COMMANDS.items():
    run_module = partial(_run, is_configured=name != "emulator")
    register = app.command(name, cls=PanelledCommand, epilog=epilog(module.EXAMPLES))
    register(typer_command(module.command, run_module))


def main() -> None:
    """Run the command line.

    Garbage collection, on the way and at the end, would take a fifth of a small run, since modules
    and schemas make many lasting objects. A command closes all that it opens, so Python's own exit
    has nothing left to do.
    """
    handle_signals()
    open_outputs()
    gc.set_threshold(20_000)
    try:
        app()
    except SystemExit as ending:
        exit_code = ending.code if isinstance(ending.code, int) else bool(ending.code)
        sys.stderr.flush()
        os._exit(exit_code or output_error() is not None)
