"""Output for people and programs: consoles, tables and JSON documents.

Rich is imported late, since `--help` does without it.
"""

import io
import json
import os
import select
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from bedrock_async_etl.formatting import escape_controls, shorten
from bedrock_async_etl.logs import json_value

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType
    from rich.text import Text

MAX_ROWS: Final = 50
"""Scopes in a table; the others are summed up."""
MIN_WORD: Final = 9
"""Minimum width of a word in a table, in columns: `1234…9012`."""
GAP: Final = 2
"""Columns between two of a table."""


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


@dataclass
class PlainTable:
    """A table without lines. On a terminal that is too narrow, its widest columns shrink first.

    Cells wrap between words, and a word of a text that has no room is cut in its middle. Numbers
    are never cut: what cannot fit at all is wrapped by the terminal itself.
    """

    columns: list[tuple[str, bool]]
    """Headings, and whether the column has numbers."""
    rows: list[list[str]] = field(default_factory=list)

    def add_column(self, heading: str, *, is_number: bool = False) -> None:
        """Add a column; rows that are there must not."""
        self.columns.append((heading, is_number))

    def add_row(self, *cells: Any) -> None:
        """Add a row with a value for each column."""
        self.rows.append([escape_controls(_cell(cell)) for cell in cells])

    def __rich_console__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> Iterator["RenderableType"]:
        from rich.table import Table

        gaps = GAP * (len(self.columns) - 1)
        widths = self._widths(options.max_width - gaps if console.is_terminal else None)
        table = Table(box=None, pad_edge=False, width=sum(widths) + gaps)
        for (heading, is_number), width in zip(self.columns, widths, strict=True):
            justify: JustifyMethod = "right" if is_number else "left"
            table.add_column(_shorten_words(heading, width), justify=justify, width=width)
        for row in self.rows:
            table.add_row(*map(_shorten_words, row, widths))
        yield table

    def _widths(self, room: int | None) -> list[int]:
        """The columns' widths: their longest cells, or what they need at least if room is short."""
        from rich.cells import cell_len

        widths, least = [], []
        for number, (heading, is_number) in enumerate(self.columns):
            cells = [row[number] for row in self.rows]
            widths.append(max(map(cell_len, [heading, *cells])))
            words = [cell_len(word) for cell in cells for word in cell.split(" ")]
            shortest = [min(cell_len(word), MIN_WORD) for word in heading.split(" ")]
            shortest += words if is_number else [min(length, MIN_WORD) for length in words]
            least.append(max(shortest))
        while room is not None and sum(widths) > room and widths != least:
            spare = [(width > need, width) for width, need in zip(widths, least, strict=True)]
            widths[spare.index(max(spare))] -= 1
        return widths


def plain_table(
    *texts: str, numbers: Sequence[str] = (), rows: Iterable[Sequence[Any]] = ()
) -> PlainTable:
    """A table of columns of text, and after them columns of numbers."""
    columns = [(text, False) for text in texts] + [(number, True) for number in numbers]
    table = PlainTable(columns)
    for row in rows:
        table.add_row(*row)
    return table


def _shorten_words(cell: str, width: int) -> str:
    return " ".join(shorten(word, width) for word in cell.split(" "))


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
