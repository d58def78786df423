"""Tables on terminals of any width."""

from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from bedrock_async_etl.console import FILE_WIDTH, is_within, plain_table

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
    headings = ("account", "model", "found", "rows written")
    return plain_table(headings, [row], numbers=["rows written"])


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


def test_texts_keep_some_columns_and_numbers_all_however_narrow_the_terminal_is(
    table: Table,
) -> None:
    lines = printed(table, 20)
    columns = ((0, 10), (12, 22), (24, 34), (36, 45))
    cells = ["".join(line[start:end] for line in lines) for start, end in columns]
    assert [cell.replace(" ", "") for cell in cells] == [
        "account111122223333",
        f"model{MODEL}",
        "found5of175failed;atmost5%",
        "rowswritten1,234,567",
    ]
    assert any("1,234,567" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_number_is_never_broken(width: int) -> None:
    """Half of it would be another number."""
    numbers = ["new", "changed", "healed", "open", "vanished", "calls", "throttled"]
    row = ["111122223333", "ap-southeast-1", "failed", *[1_234_567] * len(numbers)]
    table = plain_table(["account", "region", "outcome", *numbers], [row], numbers=numbers)
    assert sum(line.count("1,234,567") for line in printed(table, width)) == len(numbers)


def test_what_fits_a_terminal_is_known(table: Table) -> None:
    widths = {width: is_within(Console(width=width), table) for width in (97, 98, 120)}
    assert widths == {97: False, 98: True, 120: True}


def test_a_row_that_goes_to_a_file_is_whole(table: Table) -> None:
    table.add_row("111122223333", MODEL, "x" * 500, "1")
    row = printed(table, FILE_WIDTH)[-1]
    assert row.split() == ["111122223333", MODEL, "x" * 500, "1"]
