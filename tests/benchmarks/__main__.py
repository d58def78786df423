"""Measure loads side by side, print medians and ratios, keep them with a picture.

uv run --group benchmarks python -m tests.benchmarks [--runs N] [--share X] [SCENARIO ...]
"""

import os
import platform
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Figure
from tests.benchmarks.picture import draw
from tests.benchmarks.processes import RESULTS, save
from tests.benchmarks.scenarios import SCENARIOS, growth
from tests.benchmarks.stage import stage


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(SCENARIOS)}.")] = None,
    runs: Annotated[
        int, typer.Option(envvar="BENCHMARKS_RUNS", help="Runs of each command, alternating.")
    ] = 5,
    share: Annotated[
        float, typer.Option(envvar="BENCHMARKS_SHARE", help="Of the rows, to try the benchmarks.")
    ] = 1.0,
) -> None:
    """Measure some scenarios, or all of them and the picture."""
    console = Console(width=150)
    figures: list[Figure] = []
    for name in names or SCENARIOS:
        console.print(f"Measuring {name}.")
        with stage(share) as bedrock:
            figures += SCENARIOS[name](bedrock, runs)
        console.print(as_table(figures))
    if names:
        return
    with stage(share) as bedrock:
        seconds = growth(bedrock, max(1, runs // 2))
    draw(seconds, RESULTS / "loads.svg")
    path = save(
        "loads",
        {
            "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
            "figures": [figure.as_json() for figure in figures],
            "seconds_by_rows": seconds,
        },
    )
    console.print(f"All of it is in {path.parent}.")


def as_table(figures: list[Figure]) -> Table:
    """Medians, and how they compare."""
    table = Table("", "", box=None, pad_edge=False)
    for name in ("median s", "CPU s", "peak MB", "calls"):
        table.add_column(name, justify="right")
    table.add_column("against")
    for name in ("ratio", "goal"):
        table.add_column(name, justify="right")
    for figure in figures:
        table.add_row(
            figure.scenario,
            figure.command,
            f"{figure.median:.2f}",
            f"{figure.cpu_seconds:.2f}",
            f"{figure.peak_mb:,.0f}",
            "" if figure.calls is None else f"{figure.calls:,}",
            figure.held_against,
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            "" if figure.goal is None else f"{'' if figure.holds else 'missed '}{figure.goal:.2f}",
        )
    return table


if __name__ == "__main__":
    typer.run(main)
