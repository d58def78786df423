"""Output for people and programs: consoles, tables and JSON documents.

Rich is imported late, since `--help` does without it.
"""

import io
import json
import os
import select
import sys
from collections.abc import Collection, Iterable, Sequence
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
MIN_TEXT: Final = 10
"""Columns that a terminal leaves to longer texts, such as a date and most of an account id."""
FILE_WIDTH: Final = 10_000
"""Columns of an output that is no terminal, so that rows of a table stay whole."""


class Output(io.FileIO):
    """Stdout or stderr that drops what cannot be written, so that no work stops."""

    error: OSError | None = None
    """The first error that writing raised."""

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

    A closed descriptor would go to the next file that is opened, such as the database: it is
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
    """Stdout."""
    return _plain_console(width=None if sys.stdout.isatty() else FILE_WIDTH)


def error_console() -> "Console":
    """Stderr."""
    return _plain_console(stderr=True)


def _plain_console(**options: Any) -> "Console":
    """A console that prints ARNs and model ids as they are, control characters escaped."""
    from rich.console import Console

    class PlainConsole(Console):
        def render_str(self, text: str, **options: Any) -> "Text":
            return super().render_str(escape_controls(text), **options)

    return PlainConsole(soft_wrap=True, highlight=False, markup=False, emoji=False, **options)


def plain_table(
    headings: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Collection[str] = ()
) -> "Table":
    """A table without lines; the columns of `numbers` are aligned to the right, and stay whole.

    Where a terminal is too narrow, text is folded, since an id that is cut is of no use.
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    shown = [[_cell(value) for value in row] for row in rows]
    for place, heading in enumerate(headings):
        longest = max(map(len, [*heading.split(), *(row[place] for row in shown)]), default=0)
        is_number = heading in numbers
        table.add_column(
            heading,
            overflow="fold",
            justify="right" if is_number else "left",
            min_width=longest if is_number else min(longest, MIN_TEXT),
        )
    for row in shown:
        table.add_row(*row)
    return table


def is_within(console: "Console", table: "Table") -> bool:
    """True if the table needs no more columns than the terminal has."""
    unbounded = console.options.update(width=FILE_WIDTH)
    return console.measure(table, options=unbounded).maximum <= console.width


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
