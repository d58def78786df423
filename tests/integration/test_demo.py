"""The demo as a newcomer runs it, and the questions that the models' page answers from it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.databases import DuckDBDestination

pytestmark = pytest.mark.integration


QUESTION = re.compile(r"### (.+?)\n.*?```sql\n(.+?)```\n\n```text\n(.+?)```", re.DOTALL)
QUESTIONS = QUESTION.findall(Path("sql/README.md").read_text())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the demo printed, and its database."""
    database = tmp_path_factory.mktemp("demo") / "demo.duckdb"
    command = [sys.executable, "-m", "pipelines", "demo", "--database", str(database)]
    environment = os.environ | {"DLT_DATA_DIR": str(database.parent / "dlt")}
    process = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout, database


def test_the_demo_ends_as_an_exact_copy(demo: tuple[str, Path]) -> None:
    output, _ = demo
    first, second, third = (int(rows.replace(",", "")) for rows in loaded(output))
    assert first >= 50_000
    assert 0 < second < first / 20
    assert third == 0
    assert re.search(r"([\d,]+) listed, \1 in the table, \1 equal: an exact copy\.", output)


def test_the_demo_finds_the_bad_day(demo: tuple[str, Path]) -> None:
    output, _ = demo
    assert re.search(r"us-east-1 amazon.nova-reel-v1:1 +2026-03-23 +6 ", output)
    assert re.search(r"(\d+) of \1 checks hold", output)


def test_the_five_questions_are_there() -> None:
    assert len(QUESTIONS) == 5


@pytest.mark.parametrize(("question", "sql", "told"), QUESTIONS)
def test_a_question_has_the_answer_that_is_told(
    question: str, sql: str, told: str, demo: tuple[str, Path]
) -> None:
    with DuckDBDestination(demo[1]).reading() as connection:
        answer = connection.sql(sql)
        assert cells(told) == cells(str(answer)), question


def cells(box: str) -> list[list[str]]:
    """The cells of DuckDB's rendering of a table."""
    rows = [line.strip("│").split("│") for line in box.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row] for row in rows]


def loaded(output: str) -> list[str]:
    return re.findall(r"Loaded ([\d,]+) rows", output)
