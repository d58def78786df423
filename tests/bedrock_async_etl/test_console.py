"""Tables on terminals of any width."""

from io import StringIO

import pytest
from rich.console import Console

from bedrock_async_etl.console import PlainTable, plain_table

MODEL = "amazon.nova-2-multimodal-embeddings-v1:0"


def printed(table: PlainTable, width: int, *, is_terminal: bool = True) -> list[str]:
    file = StringIO()
    console = Console(
        file=file, width=width, force_terminal=is_terminal, color_system=None, soft_wrap=True
    )
    console.print(table)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.fixture
def table() -> PlainTable:
    table = plain_table("account", "model", "found", numbers=["rows written"])
    table.add_row("111122223333", MODEL, "5 of 175 failed; at most 5 %", 1_234_567)
    return table


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            60,
            """\
account       model            found            rows written
111122223333  amazon.…gs-v1:0  5 of 175            1,234,567
                               failed; at most
                               5 %
""",
        ),
        (
            80,
            """\
account       model                      found                      rows written
111122223333  amazon.nova-…eddings-v1:0  5 of 175 failed; at most      1,234,567
                                         5 %
""",
        ),
        (
            120,
            f"""\
account       model{" " * 35}  found                         rows written
111122223333  {MODEL}  5 of 175 failed; at most 5 %     1,234,567
""",
        ),
    ],
)
def test_a_table_fits_its_terminal_and_ids_are_cut_in_their_middle(
    table: PlainTable, width: int, lines: str
) -> None:
    assert printed(table, width) == lines.splitlines()


def test_words_are_not_cut_to_letters_however_narrow_the_terminal_is(table: PlainTable) -> None:
    assert printed(table, 20)[1:] == [
        "account    model      found      written",
        "1111…3333  amaz…v1:0  5 of     1,234,567",
        "                      175",
        "                      failed;",
        "                      at most",
        "                      5 %",
    ]


def test_a_row_that_goes_to_a_file_is_whole(table: PlainTable) -> None:
    table.add_row("111122223333", MODEL, "x" * 500, 1)
    row = printed(table, 60, is_terminal=False)[-1]
    assert row.split() == ["111122223333", MODEL, "x" * 500, "1"]
