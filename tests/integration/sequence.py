"""The blocks of all documents and helps, in the order in which they are run."""

from collections.abc import Iterable
from typing import Final

from bedrock_async_etl.cli import COMMANDS
from tests.integration.budgets import SOAK
from tests.integration.documents import DOCUMENTS, ROOT, TYPED, Block, read_blocks

BLOCKS: Final = [block for document in DOCUMENTS for block in read_blocks(ROOT, document)]
TESTS: Final = [block for block in BLOCKS if "pytest" in block.text]
LONG: Final = [
    block
    for block in BLOCKS
    if "tests.benchmarks" in block.text
    or "--engine spark" in block.text
    or block.document == "docs/airflow.md"
]
LEFT_OUT: Final = TESTS if SOAK else [*TESTS, *LONG]
"""Benchmarks, Spark and an installation of Airflow take minutes, and wait for a soak."""
EMULATOR: Final = "sources/bedrock_emulator/README.md"
"""Its commands change what is listed, with rows and clocks that no copy follows."""
COMPLETION: Final = """\
$ source ~/.bash_completions/bedrock-async-etl.sh
$ COMP_WORDS=(bedrock-async-etl sta) COMP_CWORD=1
$ _bedrock_async_etl_completion bedrock-async-etl && echo ${COMPREPLY[@]}
status
$ COMP_WORDS=(bedrock-async-etl run --dest) COMP_CWORD=2
$ _bedrock_async_etl_completion bedrock-async-etl && echo ${COMPREPLY[@]}
--destination
"""
"""The keys that bash completes, once the installation of `docs/operate.md` was followed."""


def help_blocks() -> list[Block]:
    """The examples in the help of each command."""
    return [
        Block(f"{name} --help", 1, "bash", module.EXAMPLES) for name, module in COMMANDS.items()
    ]


def sequence(documents: Iterable[str] = ()) -> list[Block]:
    """All blocks with commands, or those of the README and of these documents."""
    documents = {"README.md", *documents} if documents else set()
    typed = [block for block in BLOCKS if block.language in TYPED and block not in LEFT_OUT]
    if documents:
        return [block for block in typed if block.document in documents]
    last = [block for block in typed if block.document == EMULATOR]
    rest = [block for block in typed if block.document != EMULATOR]
    helps = help_blocks() if SOAK else []
    return [*rest, *helps, Block("completion", 1, "console", COMPLETION), *last]
