"""The documents agree with the code, with each other, and with the promises about their form."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest

from bedrock_async_etl.options import SECTIONS
from bedrock_async_invokes.options import options_of
from tests.integration.documents import DOCUMENTS, ROOT, read_blocks, rewritten
from tests.reference import written

MEANT_TO_BE_READ_FIRST = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
WIDTH = 110
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(#[^)\s]*)?\)")
CODE = [
    *(ROOT / "pipelines").rglob("*.py"),
    *(ROOT / "sources/bedrock_async_invokes").rglob("*.py"),
]
SHELL_ONLY = {"since", "until", "external_id", "notify"}
"""Options of one run, and secrets: none belongs into `config.toml`."""


def prose(document: str) -> str:
    return FENCE.sub("", (ROOT / document).read_text())


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    names = (re.sub(r"[^\w -]", "", title.lower()) for title in headings)
    return {f"#{name.replace(' ', '-')}" for name in names}


WRITTEN = written()


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_what_is_written_from_the_declarations_is_as_they_are(path: Path) -> None:
    """`python -m tests.reference` writes it."""
    assert path.read_text() == WRITTEN[path]


@pytest.mark.parametrize("document", MEANT_TO_BE_READ_FIRST)
def test_a_document_to_read_first_is_short(document: str) -> None:
    assert len((ROOT / document).read_text().splitlines()) <= 200


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    broken = []
    for path, anchor in LINK.findall(prose(document)):
        target = (ROOT / document).parent / path if path else ROOT / document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{path}{anchor}")
    assert broken == []


def test_every_document_is_linked_from_the_readme() -> None:
    linked = {path for path, _ in LINK.findall(prose("README.md"))}
    assert {each for each in DOCUMENTS if each != "README.md"} <= linked
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= set(DOCUMENTS)


@pytest.mark.parametrize("document", [each for each in DOCUMENTS if "sources/" not in each])
def test_lines_are_short(document: str) -> None:
    """Rows of tables and pictures cannot be broken."""
    lines = prose(document).splitlines()
    assert [line for line in lines if len(line) > WIDTH and not line.startswith(("|", "!["))] == []


def messages() -> Iterator[str]:
    """The texts in the code, `…` for what is filled in."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (
                    each.value if isinstance(each, ast.Constant) else "…" for each in node.values
                )
                yield "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_messages_of_the_troubleshooting_are_those_of_the_code() -> None:
    section = prose("docs/operate.md").partition("## Troubleshooting")[2].partition("\n## ")[0]
    first_cells = re.findall(r"^\| (.+?) \|", section, re.MULTILINE)
    spans = [each for cell in first_cells for each in re.findall("`([^`]+)`", cell)]
    shown = [each for each in spans if " " in each and not each.startswith("--")]
    known = list(messages())
    assert len(shown) > 20
    assert [each for each in shown if not any(is_of(each, text) for text in known)] == []


def is_of(shown: str, message: str) -> bool:
    """Whether the parts between `…` are in a message, in their order."""
    parts = (re.escape(part.strip()) for part in shown.split("…"))
    return re.search(".*".join(parts), message, re.DOTALL) is not None


def test_every_option_is_in_the_commented_configuration() -> None:
    text = (ROOT / ".dlt" / "config.toml").read_text()
    known = tomllib.loads(re.sub(r"^# (?=[\[a-z])", "", text, flags=re.MULTILINE))
    for section, declared in SECTIONS.items():
        names = {option.name for each in declared for option in options_of(each)}
        assert names - SHELL_ONLY <= reduce(getitem, section.split("."), known).keys()


def test_a_block_knows_the_lines_of_its_output() -> None:
    blocks = [block for block in read_blocks(ROOT, "README.md") if block.output is not None]
    lines = (ROOT / "README.md").read_text().splitlines()
    assert blocks
    for block in blocks:
        assert block.output is not None
        shown = block.output.splitlines()
        assert lines[block.output_line : block.output_line + len(shown)] == shown


@pytest.mark.parametrize(
    ("output", "shown", "expected"),
    [
        ("built in 2 s\n", "built in 3 s\n", "built in 3 s\n"),
        ("14s ago, at most 1h\n", "1m 2s ago, at most 1h\n", "1m 2s ago, at most 1h\n"),
        ("a\nb\nc\nd\n", "a\n...\nd\n", "a\n...\nd\n"),
        ("20 rows\nb\nc\n", "10 rows\n...\n", "20 rows\n...\n"),
        ("a\nb\nc\n", "", "a\nb\nc\n"),
        (
            "first line\nlast line\n",
            "first line\na line that is gone\nlast line\n",
            "first line\nlast line\n",
        ),
        ("", "nothing more\n", ""),
    ],
)
def test_an_output_is_rewritten_where_it_differs(output: str, shown: str, expected: str) -> None:
    """Masked figures do not count, gaps stay gaps, and a line that changed a little is found."""
    assert rewritten(output, shown) == expected
