"""The demo as a newcomer runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_the_demo_ends_as_an_exact_copy(database: Path) -> None:
    command = [sys.executable, "-m", "pipelines", "demo", "--database", str(database)]
    demo = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120
    )
    assert demo.returncode == 0, demo.stderr
    first, second, third = (int(rows.replace(",", "")) for rows in loaded(demo.stdout))
    assert first >= 50_000
    assert 0 < second < first / 20
    assert third == 0
    assert re.search(r"([\d,]+) listed, \1 in the table, \1 equal: an exact copy\.", demo.stdout)


def loaded(output: str) -> list[str]:
    return re.findall(r"Loaded ([\d,]+) rows", output)
