"""Output for people and programs: consoles, tables and JSON documents.

Rich is imported late, since `--help` does without it.
"""

import io
import json
import os
import select
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from bedrock_async_etl.formatting import escape_controls
from bedrock_async_etl.logs import json_value

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

MAX_ROWS: Final = 50
"""Scopes in a table; the others are summed up."""
MAX_LINES: Final = 20
"""Scopes whose error or quarantine is printed on a line of its own."""


class Output(io.FileIO):
    """Stdout or stderr: what cannot be written is left out, so that it stops no work."""

    error: OSError | None = None
    """The first that writing raised."""

    def write(self, data: Any) -> int:
        try:
            while (written := super().write(data)) is None:
                select.select((), (self,), ())  # others may have made it non-blocking
            return written
        except OSError as error:
            self.error = self.error or error
            return len(data)


def open_outputs() -> None:
    """Make stdout and stderr outputs that raise nothing.

    A descriptor that is closed would be the next file's, for instance the database's: it is
    opened for reading, so that nothing can be written to it.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest that is free
        if name != "stdin":
            before = getattr(sys, name)
            output = io.TextIOWrapper(
                io.BufferedWriter(Output(descriptor, "w", closefd=False)),
                encoding=before.encoding if before else None,
                errors="backslashreplace",
                line_buffering=name == "stderr" or os.isatty(descriptor),
            )
            setattr(sys, name, output)


def output_error() -> OSError | None:
    """The first error that writing to stdout raised."""
    sys.stdout.flush()
    output = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return output.error if isinstance(output, Output) else None


def output_console() -> "Console":
    """Stdout; where it is no terminal, wide enough that a table's rows stay whole."""
    return _plain_console(width=None if sys.stdout.isatty() else 200)


def error_console() -> "Console":
    """Stderr."""
    return _plain_console(stderr=True)


def _plain_console(**options: Any) -> "Console":
    """A console that prints ARNs and model ids as they are, control characters escaped."""
    from rich.console import Console

    class PlainConsole(Console):
        def render_str(self, text: str, **options: Any) -> "Text":
            return super().render_str(escape_controls(text), **options)

    return PlainConsole(soft_wrap=True, highlight=False, markup=False, **options)


def plain_table(
    *texts: str, numbers: Sequence[str] = (), rows: Iterable[Sequence[Any]] = ()
) -> "Table":
    """A table without lines: columns of text, and after them columns of numbers."""
    from rich.table import Table

    table = Table(*texts, box=None, pad_edge=False)
    for name in numbers:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def has_display() -> bool:
    """True where a browser could show a page to the person who runs this on a terminal."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    is_desktop = sys.platform in ("darwin", "win32") or any(map(os.environ.get, screens))
    return sys.stdout.isatty() and is_desktop


def open_page(file: Path) -> None:
    """Open an HTML file in the browser; a line on stderr says where there is none."""
    import webbrowser

    url = file.absolute().as_uri()
    if not webbrowser.open(url):
        typer.echo(f"No browser can be opened here. The page is {url}", err=True)


def print_json(document: dict[str, Any]) -> None:
    """Print one line of JSON; times and dates in ISO 8601, other values that JSON lacks as text."""
    typer.echo(json.dumps(document, default=json_value))
