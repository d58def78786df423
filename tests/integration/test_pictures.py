"""The README's pictures are what the demo prints and writes today."""

import re
from pathlib import Path

import pytest

from tests.pictures import IMAGES, draw

pytestmark = pytest.mark.integration


def printed(picture: Path) -> list[str]:
    """The lines of a terminal, without durations, and sizes that follow from them."""
    lines = re.findall(r"<text [^>]*>([^<]*)</text>", picture.read_text())
    return [re.sub(r"[\d.]+&#160;(s|MB)\b", r"N&#160;\1", line) for line in lines]


@pytest.mark.soak
def test_the_pictures_of_the_readme_are_those_of_the_demo(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    draw(tmp_path / "demo", tmp_path)
    assert printed(tmp_path / "terminal.svg") == printed(IMAGES / "terminal.svg")
    assert (tmp_path / "report.png").stat().st_size > 50_000
