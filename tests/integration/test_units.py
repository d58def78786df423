"""The units of the documents pass systemd's own checks."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.integration.documents import ROOT, read_blocks

pytestmark = pytest.mark.integration

MAX_EXPOSURE = 3.0
COMMAND = "/opt/bedrock-async-etl/.venv/bin/bedrock-async-etl"


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The service and the timer, by the names that the documents give them."""
    found = []
    for block in read_blocks(ROOT, "docs/operate.md"):
        if block.language == "ini":
            [name] = re.findall(r"^# /etc/systemd/system/(.+)$", block.text, re.MULTILINE)
            found.append(tmp_path / name)
            # It is not installed here.
            found[-1].write_text(block.text.replace(COMMAND, "/bin/true"))
    return found


def analyze(*arguments: str | Path) -> str:
    """What systemd-analyze prints, which is in the Debian package systemd."""
    command = ("systemd-analyze", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_the_units_are_well_formed(units: list[Path]) -> None:
    assert [unit.suffix for unit in units] == [".service", ".timer"]
    printed = analyze("verify", *units)
    assert [line for line in printed.splitlines() if "bedrock-async-etl" in line] == []


def test_the_service_is_hardened(units: list[Path]) -> None:
    printed = analyze("security", "--offline=true", units[0])
    [exposure] = re.findall(r"Overall exposure level for .+: ([0-9.]+) ", printed)
    assert float(exposure) < MAX_EXPOSURE
