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
RANGE: Final = (("since", 10), ("until", 9))
"""Days ago."""


def destinations(stage: Stage, runs: int) -> Iterator[Figure]:
    """300,000 rows, then about 1,000 new ones an hour; the lakes are on the local disk."""
    stage.fill(REGION, ROWS)
    hours = timedelta(hours=runs + 2)
    stage.bedrock.populate(ACCOUNT, REGION, 1_000 * (runs + 2), NOW, NOW + hours, 1)
    commands = {
        "duckdb": stage.ours("duckdb", f"--region={REGION}"),
        **{
            kind: stage.ours_to_lake(kind, f"--region={REGION}", f"--destination={kind}")
            for kind in ("parquet", "delta", "iceberg")
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


def lake_models(stage: Stage, runs: int) -> Iterator[Figure]:
    """2,000,000 rows of two regions, then about 1,000 new ones an hour, with models and checks."""
    regions = ("us-east-1", "us-west-2")
    for region in regions:
        stage.fill(region, 1_000_000, until_days_ago=0, days=58)
        hours = timedelta(hours=runs + 2)
        stage.bedrock.populate(ACCOUNT, region, 500 * (runs + 2), NOW, NOW + hours, 1)
    options = [f"--region={region}" for region in regions]
    commands = {
        kind: stage.ours_to_lake(kind, f"--destination={kind}", *options, with_models=True)
        for kind in ("parquet", "delta", "iceberg")
    }

    def advance_before_the_first(name: str) -> None:
        if name == "parquet":
            stage.bedrock.advance(timedelta(hours=1))

    in_turn(commands, 1)
    in_turn(commands, 1, advance_before_the_first)
    increments = in_turn(commands, runs, advance_before_the_first)
    day = [f"--{name}={NOW - timedelta(days=days):%Y-%m-%d}" for name, days in RANGE]
    ranges = in_turn({name: [*command, *day] for name, command in commands.items()}, runs)
    for scenario, timings in (("1,000 new", increments), ("a day again", ranges)):
        for name, timing in timings.items():
            yield figure(f"{scenario} over 2,000,000, with models", name, timing)
