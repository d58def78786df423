"""Commands of the documents are run as they stand there, and have the output that is shown."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

import pytest
import yaml

from tests.integration.documents import ROOT, TYPED, Block, abridged, masked
from tests.integration.newcomer import Done, Newcomer, newcomer
from tests.integration.sequence import BLOCKS, TESTS, sequence

pytestmark = pytest.mark.integration

DATA = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}
SEQUENCE = sequence()


class Reading:
    """The blocks in their order, each run once those before it have run."""

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
    with newcomer(tmp_path_factory.mktemp("newcomer"), SEQUENCE) as somebody:
        yield Reading(somebody)


@pytest.mark.parametrize("block", SEQUENCE, ids=str)
def test_a_command_has_the_output_that_is_shown(block: Block, reading: Reading) -> None:
    """`python -m tests.integration.rewrite` rewrites the outputs."""
    done = reading.of(block)
    for command, did in zip(block.commands, done, strict=True):
        if command.output is not None:
            shown = masked(command.output)
            assert abridged(masked(did.output), shown) == shown, command.text


@pytest.mark.parametrize("block", SEQUENCE, ids=str)
def test_a_command_succeeds_unless_its_exit_code_is_shown(block: Block, reading: Reading) -> None:
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


def test_every_block_is_run_or_read() -> None:
    assert {block.language for block in BLOCKS} <= {*TYPED, *DATA, "text"}


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language in DATA], ids=str)
def test_data_is_well_formed(block: Block) -> None:
    assert DATA[block.language](block.text)


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "toml"], ids=str)
def test_a_setting_that_is_shown_is_in_the_commented_configuration(block: Block) -> None:
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
