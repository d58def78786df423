"""The pictures of the README: `python -m tests.pictures` makes them anew from a run of the demo."""

import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from bedrock_async_etl.commands.demo import NOW, STEP

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"
CHROMIUM: Final = "/usr/bin/chromium"
COLUMNS: Final = 104
SHOWN: Final = ("First load", "Second load", "Models", "incidents", "Proof", "Report", "Go on")
"""Parts of the demo's output that fit into a picture."""
CLONE: Final = "/opt/bedrock-async-etl"
REPORT: Final = "bedrock_demo.html"


def _run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "bedrock_async_etl", *arguments]
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return done.stdout.replace(str(folder), CLONE)


def _abridged(output: str) -> list[str]:
    """The lines of the parts that are shown, and of the models the first table."""
    lines = ["$ bedrock-async-etl demo"]
    for part in output.split("\n\n"):
        if Text.from_ansi(part).plain.startswith(SHOWN):
            lines += [*part.splitlines(), ""]
    return lines[:-1]


def _draw_terminal(output: str, path: Path) -> None:
    console = Console(record=True, width=COLUMNS, file=StringIO(), highlight=False)
    for line in _abridged(output):
        console.print(Text.from_ansi(line), soft_wrap=True, no_wrap=True, crop=True)
    console.save_svg(str(path), title="bedrock-async-etl")


def _photograph(page_file: Path, path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 1350})
        page.clock.set_fixed_time(NOW + STEP + timedelta(minutes=12))
        page.goto(page_file.as_uri())
        page.screenshot(path=path)
        browser.close()


def draw(folder: Path, images: Path = IMAGES) -> None:
    """Run the demo in an empty folder, and draw its terminal and its report."""
    images.mkdir(parents=True, exist_ok=True)
    _draw_terminal(_run(folder, "demo"), images / "terminal.svg")
    page = folder / REPORT
    page.write_text(page.read_text().replace(str(folder), CLONE))
    _photograph(page, images / "report.png")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        draw(Path(folder))
