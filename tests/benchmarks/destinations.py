"""The same load into each destination."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from bedrock_async_etl.commands.demo import NOW
from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.export.readers import lake_relations, statements
from tests.benchmarks.figures import Figure, calls_of, figure
from tests.benchmarks.processes import in_turn
from tests.benchmarks.stage import ACCOUNT, Stage

REGION: Final = "us-east-1"
ROWS: Final = 300_000
LAKES: Final = ("parquet", "delta", "iceberg")
LOADS: Final = 60
EVERY: Final = timedelta(minutes=10)
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
            for kind in LAKES
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
        for kind in LAKES
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


def year(stage: Stage, runs: int) -> Iterator[Figure]:
    """365,000 invocations of a year, then loads every ten minutes, a count, and what is stored."""
    stage.fill(REGION, 365_000, until_days_ago=0, days=365)
    stage.bedrock.populate(ACCOUNT, REGION, 7 * LOADS, NOW, NOW + LOADS * EVERY, 1)
    commands = {
        kind: stage.ours_to_lake(kind, f"--region={REGION}", f"--destination={kind}")
        for kind in LAKES
    }
    places = {kind: f"{stage.folder / kind}.lake" for kind in LAKES}

    def advance_before_the_first(name: str) -> None:
        if name == LAKES[0]:
            stage.bedrock.advance(EVERY)

    in_turn(commands, 1)
    loads = in_turn(commands, LOADS, advance_before_the_first)
    compact = [sys.executable, "-m", "bedrock_async_etl", "compact", "--grace=0"]
    for _ in range(2):
        in_turn({kind: [*compact, f"--lake={place}"] for kind, place in places.items()}, 1)
    counts = in_turn(
        {kind: [sys.executable, "-c", count_by_polars(place)] for kind, place in places.items()},
        runs,
    )
    for kind, place in places.items():
        files = [path for path in Path(place, "bedrock").rglob("*") if path.is_file()]
        stored = sum(path.stat().st_size for path in files) / 1e6
        yield figure(f"7 new over a year, {kind}", "run --no-models", loads[kind])
        yield figure(
            f"a count by Polars, {kind}", f"{len(files)} files, {stored:.0f} MB", counts[kind]
        )


def count_by_polars(place: str) -> str:
    """The script of a reader that counts the rows of a lake by what `export --readers` prints."""
    rows = [each for each in lake_relations(LakeDestination(place)) if each.name == "async_invokes"]
    block = statements(rows).partition("# Polars (Python)\n")[2].partition("\n\n")[0]
    return f"{block}\nprint(async_invokes.group_by('status').agg(pl.len()).collect())"
