"""What the documents show is done as it stands there, and must come out as they tell it."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

import pytest
import yaml

from bedrock_async_etl.cli import COMMANDS
from tests.integration.documents import Block, abridged, masked, read_blocks
from tests.integration.newcomer import ROOT, Done, Newcomer, newcomer

pytestmark = pytest.mark.integration

DOCUMENTS = (
    "README.md",
    "sql/README.md",
    "sources/bedrock_async_invokes/README.md",
    "sources/bedrock_emulator/README.md",
)
TYPED = ("bash", "console", "cron", "ini", "python", "sh", "sql")
DATA = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}
BLOCKS = [block for document in DOCUMENTS for block in read_blocks(ROOT, document)]
HELP = [Block(f"{name} --help", 1, "bash", module.EXAMPLES) for name, module in COMMANDS.items()]
COMPLETION = """\
$ source ~/.bash_completions/bedrock-async-etl.sh
$ COMP_WORDS=(bedrock-async-etl sta) COMP_CWORD=1
$ _bedrock_async_etl_completion bedrock-async-etl && echo ${COMPREPLY[@]}
status
$ COMP_WORDS=(bedrock-async-etl run --dest) COMP_CWORD=2
$ _bedrock_async_etl_completion bedrock-async-etl && echo ${COMPREPLY[@]}
--destination
"""
"""What bash does when the tabulator is pressed, once the README's installation was followed."""
TESTS = [block for block in BLOCKS if "pytest" in block.text]
SEQUENCE = [
    *(block for block in BLOCKS if block.language in TYPED and block not in TESTS),
    *HELP,
    Block("completion", 1, "console", COMPLETION),
]


class Reading:
    """The blocks in their order, each done once those before it are done."""

    def __init__(self, somebody: Newcomer) -> None:
        self._somebody = somebody
        self._done: list[list[Done]] = []

    def of(self, block: Block) -> list[Done]:
        number = SEQUENCE.index(block)
        for each in SEQUENCE[len(self._done) : number + 1]:
            self._done.append(self._somebody.does(each))
        return self._done[number]


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    with newcomer(tmp_path_factory.mktemp("newcomer")) as somebody:
        yield Reading(somebody)


@pytest.mark.parametrize("block", SEQUENCE, ids=str)
def test_what_is_shown_is_what_comes(block: Block, reading: Reading) -> None:
    done = reading.of(block)
    for command, did in zip(block.commands, done, strict=True):
        if command.told is not None:
            told = masked(command.told)
            assert abridged(masked(did.output), told) == told, command.text


@pytest.mark.parametrize("block", SEQUENCE, ids=str)
def test_a_command_succeeds_unless_its_exit_code_is_told(block: Block, reading: Reading) -> None:
    commands, done = block.commands, reading.of(block)
    following = [command.text.strip() for command in commands[1:]]
    failed = [
        (command.text, did)
        for command, did, after in zip_longest(commands, done, following)
        if did.exit_code and after != "echo $?"
    ]
    assert failed == []


@pytest.mark.parametrize("block", TESTS, ids=str)
def test_the_tests_are_run_for_every_change_as_they_are_shown(block: Block) -> None:
    run = (ROOT / ".ci" / "run").read_text().replace(" --quiet", "").replace("python3 -m ", "")
    shown = re.split(r" && |\n", block.text.strip().replace("python3 -m ", ""))
    assert [command for command in shown if command not in run.splitlines()] == []


def test_nothing_is_shown_that_is_not_tried() -> None:
    assert {block.language for block in BLOCKS} <= {*TYPED, *DATA, "text"}


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language in DATA], ids=str)
def test_data_is_well_formed(block: Block) -> None:
    assert DATA[block.language](block.text)


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "toml"], ids=str)
def test_what_is_configured_is_in_the_commented_configuration(block: Block) -> None:
    text = (ROOT / ".dlt" / "config.toml").read_text()
    known = tomllib.loads(re.sub(r"^# (?=[\[a-z])", "", text, flags=re.MULTILINE))
    assert keys(tomllib.loads(block.text)) <= keys(known)


def keys(settings: Mapping[str, Any], path: str = "") -> set[str]:
    """The path of every setting; models are of the user's choice."""
    found = set()
    for name, value in settings.items():
        inner = f"{path}.{name}" if path else name
        found |= keys(value, inner) if isinstance(value, dict) else {inner}
    return found
