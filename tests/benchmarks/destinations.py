"""The same load into each destination."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from bedrock_async_etl.commands.demo import NOW
from tests.benchmarks.figures import Figure, calls_of, figure
from tests.benchmarks.processes import in_turn
from tests.benchmarks.stage import ACCOUNT, Stage

REGION: Final = "us-east-1"
ROWS: Final = 300_000


def destinations(stage: Stage, runs: int) -> Iterator[Figure]:
    """300,000 rows, then about 1,000 new ones an hour; the lakes are on the local disk."""
    stage.fill(REGION, ROWS)
    hours = timedelta(hours=runs + 2)
    stage.bedrock.populate(ACCOUNT, REGION, 1_000 * (runs + 2), NOW, NOW + hours, 1)
    commands = {
        "duckdb": stage.ours("duckdb", f"--region={REGION}"),
        **{
            kind: stage.ours_to_lake(kind, f"--region={REGION}", f"--destination={kind}")
            for kind in ("parquet", "delta")
        },
    }

    def advance_before_the_first(name: str) -> None:
        if name == "duckdb":
            stage.bedrock.advance(timedelta(hours=1))

    first = in_turn(commands, runs, stage.forget)
    in_turn(commands, 1)
    increments = in_turn(commands, runs, advance_before_the_first)
    scenarios = {f"first load of {ROWS:,}": first, f"1,000 new over {ROWS:,}": increments}
    for scenario, timings in scenarios.items():
        for name, timing in timings.items():
            yield figure(
                scenario,
                name,
                timing,
                calls=calls_of(timing),
                held_against="duckdb",
                ratio=timing.median / timings["duckdb"].median,
            )
