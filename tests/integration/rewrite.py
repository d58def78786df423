"""Run the documents, and rewrite the outputs that they show: `python -m tests.integration.rewrite`.

With names of documents, only these are run, after the README. Commands that fail are logged.
"""

import logging
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.integration.documents import ROOT, Block, rewritten
from tests.integration.newcomer import Done, newcomer
from tests.integration.sequence import sequence

log = logging.getLogger("rewrite")

Lines = dict[int, tuple[int, list[str]]]
"""By the number of the line after which they go, how many lines they replace, and the lines."""


def _replacements(block: Block, done: Iterable[Done]) -> Lines:
    shown = [command.output for command in block.commands]
    if all(each is None for each in shown):
        return {}
    if block.language != "console":
        [did] = done
        assert block.output is not None
        new = rewritten(did.output, block.output)
        return {block.output_line: (len(block.output.splitlines()), new.splitlines())}
    text = "".join(
        f"$ {command.text}{rewritten(did.output, command.output or '')}"
        for command, did in zip(block.commands, done, strict=False)
    )
    return {block.line: (len(block.text.splitlines()), text.splitlines())}


def _write(document: str, replacements: Lines) -> None:
    path = ROOT / document
    lines = path.read_text().splitlines()
    for line in sorted(replacements, reverse=True):
        length, new = replacements[line]
        lines[line : line + length] = new
    path.write_text("".join(f"{line}\n" for line in lines))


def rewrite(documents: Iterable[str]) -> None:
    """Run the documents, or all of them where none is named, and rewrite each that is a file."""
    blocks = sequence(documents)
    changes: dict[str, Lines] = {}
    with TemporaryDirectory() as home, newcomer(Path(home), blocks) as somebody:
        for block in blocks:
            done = somebody.does(block)
            _log(block, done)
            changes.setdefault(block.document, {}).update(_replacements(block, done))
    _write_all(changes)


def _log(block: Block, done: Iterable[Done]) -> None:
    log.info("%s", block)
    for command, did in zip(block.commands, done, strict=False):
        if did.exit_code:
            log.warning("%s: exit code %d: %s%s", block, did.exit_code, command.text, did.output)


def _write_all(changes: Mapping[str, Lines]) -> None:
    for document, replacements in changes.items():
        if (ROOT / document).exists():
            _write(document, replacements)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    rewrite(sys.argv[1:])
