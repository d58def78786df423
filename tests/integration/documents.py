"""What the documents show: blocks of code, what comes of them, and how the two are compared.

A `console` block has commands after `$ ` and the output of each; a block of another language may
have its output in a `text` block that follows at once. A line `...` of an output stands for lines
left out. Figures that differ from run to run are compared as such: see `MASKS`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

MASKS = {
    r"127\.0\.0\.1:\d+": "127.0.0.1:PORT",
    r"\b\d[\d,.]* (?:MB|ms|s|min|h|d)\b(?: \d+ (?:h|min|s)\b)?": "SIZE",
    r"─+|[ \t]+": " ",
}
"""Ports, sizes, durations; and the space that is left beside them."""


@dataclass(frozen=True)
class Command:
    """A command, and the output that is shown; None where none is."""

    text: str
    told: str | None = None


@dataclass(frozen=True)
class Block:
    """A block of code of a document."""

    document: str
    line: int
    language: str
    text: str
    told: str | None = None

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def commands(self) -> list[Command]:
        """What is to be typed into a shell."""
        match self.language:
            case "console":
                return list(_session(self.text))
            case "cron":
                return [Command(line.split(maxsplit=5)[5]) for line in self.text.splitlines()]
            case "ini":
                return [Command(line) for line in re.findall("^ExecStart=(.+)$", self.text, re.M)]
            case "python":
                return [Command(f"uv run python - <<'END'\n{self.text}END", self.told)]
            case _:
                return [Command(f"(set -e\n{self.text})", self.told)]


def read_blocks(root: Path, document: str) -> list[Block]:
    """The blocks in their order; a `text` block that shows an output belongs to the one before."""
    blocks: list[Block] = []
    is_adjacent = False
    for token in MarkdownIt().parse((root / document).read_text()):
        if token.type == "fence":
            assert token.map is not None
            if token.info == "text" and is_adjacent:
                last = blocks.pop()
                block = Block(document, last.line, last.language, last.text, token.content)
            else:
                block = Block(document, token.map[0] + 1, token.info, token.content)
            blocks.append(block)
        is_adjacent = token.type == "fence" and token.info != "text"
    return blocks


def _session(text: str) -> Iterator[Command]:
    assert text.startswith("$ ")
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        end = next(number for number, line in enumerate(lines) if not line.endswith("\\\n")) + 1
        yield Command("".join(lines[:end]), "".join(lines[end:]))


def masked(text: str) -> list[str]:
    """The lines of an output, without what differs from run to run."""
    for pattern, mask in MASKS.items():
        text = re.sub(pattern, mask, text)
    return [line.strip() for line in text.strip().splitlines()]


def abridged(lines: list[str], told: list[str]) -> list[str]:
    """The lines with `...` for those that `told` leaves out."""
    shown: list[str] = []
    for number, line in enumerate(told, 1):
        if line != "...":
            shown += lines[:1]
            lines = lines[1:]
            continue
        shown.append(line)
        while lines and lines[:1] != told[number : number + 1]:
            lines = lines[1:]
    return shown + lines
