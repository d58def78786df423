"""A report of half a million invocations in forty scopes: its size, and how fast it is.

uv run python -m tests.benchmarks.page [--rows N] [--days N]
"""

import shutil
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from playwright.sync_api import sync_playwright

from bedrock_async_etl.options import ReportOptions
from bedrock_async_etl.report.report import write_report
from tests import troubles

DRAWN = "#headline .figure"
CHOOSE = """
name => {
    const select = document.getElementById(name);
    select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
    const started = performance.now();
    select.dispatchEvent(new Event("change"));
    return performance.now() - started;
}
"""
CHOICES = ("account", "region", "model", "cause")


def main(
    rows: Annotated[int, typer.Option()] = 500_000, days: Annotated[int, typer.Option()] = 90
) -> None:
    """Print the page's size, when it is ready, and how long a choice takes: medians."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.html")
        destination = troubles.modelled(Path(folder, "copy.duckdb"), rows, days)
        result = write_report(destination, path, ReportOptions(period=f"{days}d"))
        typer.echo(f"written      {result.seconds:8.1f} s, {result.bytes / 1e6:.2f} MB")
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"))
            ready, drawn = [], []
            for _ in range(5):
                page = chromium.new_page(viewport={"width": 1440, "height": 1000})
                page.goto(path.as_uri())
                page.wait_for_selector(DRAWN)
                ready.append(page.evaluate("performance.now()"))
                drawn += [page.evaluate(CHOOSE, name) for name in CHOICES for _ in range(5)]
                page.close()
            typer.echo(f"ready after  {median(ready):8.0f} ms")
            typer.echo(f"drawn again  {median(drawn):8.0f} ms, at most {max(drawn):.0f} ms")


if __name__ == "__main__":
    typer.run(main)
