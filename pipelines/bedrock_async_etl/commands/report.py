"""`report`: one HTML page."""

import logging
from pathlib import Path
from typing import Annotated, Final

import typer

from bedrock_async_etl.commands.options import Copy, JsonOption, Report, existing_copy
from bedrock_async_etl.console import open_page, output_console, print_json
from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.logs import log_event

EXAMPLES: Final = """\
# The last 30 days, with a quota to compare with
bedrock-async-etl report report.html --quota amazon.nova-reel-v1:1=20

# The last week, shown at once
bedrock-async-etl report report.html --period 7d --open

# Half a year of a lake, for people who must not see messages and accounts
bedrock-async-etl report report.html --lake lake --period 26w --redact
"""


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The HTML file to write.")],
    copy: Copy,
    contents: Report,
    is_opened: Annotated[
        bool, typer.Option("--open", help="Open the page in a browser.", rich_help_panel="Output")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML page of figures and charts that needs no network."""
    from bedrock_async_etl.report.report import find_options, write_report

    if as_json and is_opened:
        raise UsageError("--open shows the page to a person, --json is for a program: give one.")
    target = existing_copy(copy)
    written = write_report(target, file, find_options(**contents))
    for warning in written.warnings:
        log_event("quota_unused", warning, logging.WARNING)
    if as_json:
        print_json(written.as_json() | {"exit_code": 0})
    else:
        output_console().print(written.message)
    if is_opened:
        open_page(file)
