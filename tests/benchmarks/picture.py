"""Time against rows, drawn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot

COLOURS: Final = {"naive": "#d55e00", "floor": "#777777", "ours": "#0072b2"}
LABELS: Final = {
    "naive": "naive: paginator, dlt rows, merge",
    "floor": "floor: HTTP, orjson, Arrow, DuckDB",
    "ours": "bedrock-async-etl run --no-models",
}


def draw(seconds: Mapping[str, Mapping[int, float]], path: Path) -> None:
    """A line for each command, from seconds by rows, as SVG."""
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for name, points in seconds.items():
        axes.plot([*points], [*points.values()], "o-", color=COLOURS[name], label=LABELS[name])
    axes.set(xlabel="invocations", ylabel="seconds", xlim=0, ylim=0)
    axes.set_title("First load of one scope, whole process, 2 cores")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})
