"""Tables on terminals of any width."""

from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from bedrock_async_etl.console import FILE_WIDTH, plain_table

MODEL = "amazon.nova-2-multimodal-embeddings-v1:0"


def printed(table: Table, width: int) -> list[str]:
    file = StringIO()
    console = Console(
        file=file, width=width, force_terminal=True, color_system=None, soft_wrap=True
    )
    console.print(table)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.fixture
def table() -> Table:
    row = ("111122223333", MODEL, "5 of 175 failed; at most 5 %", 1_234_567)
    return plain_table("account", "model", "found", numbers=["rows written"], rows=[row])


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            60,
            """\
account       model            found            rows written
111122223333  amazon.nova-2-m  5 of 175            1,234,567
              ultimodal-embed  failed; at most
              dings-v1:0       5 %
""",
        ),
        (
            80,
            """\
account       model                      found                      rows written
111122223333  amazon.nova-2-multimodal-  5 of 175 failed; at most      1,234,567
              embeddings-v1:0            5 %
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
def test_a_table_fits_its_terminal_and_ids_are_folded(table: Table, width: int, lines: str) -> None:
    assert printed(table, width) == lines.splitlines()


def test_nothing_is_cut_however_narrow_the_terminal_is(table: Table) -> None:
    lines = printed(table, 20)
    assert max(map(len, lines)) <= 20
    columns = ((0, 4), (6, 9), (11, 14), (16, 20))
    cells = ["".join(line[start:end] for line in lines) for start, end in columns]
    assert [cell.replace(" ", "") for cell in cells] == [
        "account111122223333",
        f"model{MODEL}",
        "found5of175failed;atmost5%",
        "rowswritten1,234,567",
    ]


def test_a_row_that_goes_to_a_file_is_whole(table: Table) -> None:
    table.add_row("111122223333", MODEL, "x" * 500, "1")
    row = printed(table, FILE_WIDTH)[-1]
    assert row.split() == ["111122223333", MODEL, "x" * 500, "1"]
