"""The documents: their blocks of code, the outputs that they show, and the comparison of the two.

A `console` block has commands after `$ ` and the output of each; a block of another language may
have its output in a `text` block that follows at once. A line `...` of an output stands for lines
left out. Figures that differ from run to run are compared as such: see `MASKS`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import Final

from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = (
    "README.md",
    "docs/operate.md",
    "docs/aws.md",
    "docs/configuration.md",
    "docs/monitoring.md",
    "docs/airflow.md",
    "docs/analyze.md",
    "sql/README.md",
    "docs/lake.md",
    "docs/how-it-works.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "sources/bedrock_async_invokes/README.md",
    "sources/bedrock_emulator/README.md",
)
"""In the order in which their commands are run: later ones use what earlier ones made."""
TYPED: Final = ("bash", "console", "cron", "ini", "python", "sh", "sql")
MASKS: Final = {
    r"127\.0\.0\.1:\d+": "127.0.0.1:PORT",
    r"Built \d+ models": "Built N models",
    r"\d+ partitions with": "N partitions with",
    r"\d+ left as they are": "N left as they are",
    r"\b\d[\d,.]* ?(?:MB|ms|s|m|min|h|d)\b(?: \d+ ?(?:h|m|min|s)\b)?": "SIZE",
    r"─+|[ \t]+": " ",
}
"""Ports, sizes, durations, the numbers of models and partitions; and the space beside them."""
GAP: Final = "..."
AS_CRON: Final = "PATH=/usr/bin:/bin sh -c"
"""cron's shell does not read the profile of anybody."""


@dataclass(frozen=True)
class Command:
    """A command, and the output that is shown; None where none is."""

    text: str
    output: str | None = None


@dataclass(frozen=True)
class Block:
    """A block of code of a document, and the output that follows it."""

    document: str
    line: int
    language: str
    text: str
    output: str | None = None
    output_line: int = 0

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def commands(self) -> list[Command]:
        """The commands for a shell."""
        match self.language:
            case "console":
                return list(_session(self.text))
            case "cron":
                return [Command(f"{AS_CRON} {quote(line)}") for line in self._cron_commands()]
            case "ini":
                return [Command(line) for line in re.findall("^ExecStart=(.+)$", self.text, re.M)]
            case "python":
                return [Command(f"uv run python - <<'END'\n{self.text}END", self.output)]
            case _:
                return [Command(f"(set -e\n{self.text})", self.output)]

    def _cron_commands(self) -> list[str]:
        """What cron runs: a line up to its first `%` that has no backslash."""
        lines = [line.split(maxsplit=5)[5] for line in self.text.splitlines()]
        return [re.split(r"(?<!\\)%", line)[0].replace(r"\%", "%") for line in lines]


def read_blocks(root: Path, document: str) -> list[Block]:
    """The blocks in their order; a `text` block that shows an output belongs to the one before."""
    blocks: list[Block] = []
    is_adjacent = False
    for token in MarkdownIt().parse((root / document).read_text()):
        if token.type == "fence":
            assert token.map is not None
            line = token.map[0] + 1
            if token.info == "text" and is_adjacent:
                last = blocks.pop()
                blocks.append(
                    Block(document, last.line, last.language, last.text, token.content, line)
                )
            else:
                blocks.append(Block(document, line, token.info, token.content))
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


def abridged(lines: list[str], shown: list[str]) -> list[str]:
    """The lines with `...` for those that `shown` leaves out."""
    found: list[str] = []
    for number, line in enumerate(shown, 1):
        if line != GAP:
            found += lines[:1]
            lines = lines[1:]
            continue
        found.append(line)
        while lines and lines[:1] != shown[number : number + 1]:
            lines = lines[1:]
    return found + lines


def rewritten(output: str, shown: str) -> str:
    """The output as a document should show it: as it does now where that is right, else the lines
    that came, with the same gaps.
    """
    if abridged(masked(output), masked(shown)) == masked(shown):
        return shown
    lines = [line.rstrip() for line in output.strip().splitlines()]
    result: list[str] = []
    is_gap = False
    for line in shown.strip().splitlines():
        if line == GAP:
            is_gap = True
        elif (place := _place(line, lines)) is not None:
            result += _skipped(lines[:place], is_gap)
            result.append(line if masked(line) == masked(lines[place]) else lines[place])
            lines, is_gap = lines[place + 1 :], False
    return "".join(f"{line}\n" for line in [*result, *_skipped(lines, is_gap)])


def _skipped(lines: Sequence[str], is_gap: bool) -> Sequence[str]:
    return [GAP] if lines and is_gap else lines


def _place(line: str, lines: Sequence[str]) -> int | None:
    """The place of a line that is the same, or else of the one that is most like it."""
    texts = ["".join(masked(each)) for each in lines]
    wanted = "".join(masked(line))
    nearest = [wanted] if wanted in texts else get_close_matches(wanted, texts, 1)
    return texts.index(nearest[0]) if nearest else None
