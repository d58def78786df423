"""What is measured of a load, and what it is held against."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

import duckdb

from bedrock_async_etl.commands.demo import NOW
from tests.benchmarks.destinations import destinations, lake_models, year
from tests.benchmarks.figures import Figure, calls_of, figure
from tests.benchmarks.processes import in_turn
from tests.benchmarks.stage import ACCOUNT, Stage

LATENCY_SECONDS: Final = 0.1
CONCURRENCY: Final = 16
THROTTLED_TO: Final = 5.0
REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "eu-north-1", "ap-south-1", "sa-east-1")
ACCOUNTS: Final = tuple(f"{number:012d}" for number in range(200_000_000_000, 200_000_000_033))
IMPORTS: Final = (
    "from bedrock_async_etl import load, run; from bedrock_async_etl.models import build, refresh"
)


def first_load(stage: Stage, runs: int) -> Iterator[Figure]:
    """500,000 rows of one scope, without delay; the naive connector has a tenth of them."""
    scenario, rows, few = "first load, 500,000 rows", 500_000, 50_000
    stage.fill("us-east-1", rows)
    stage.fill("us-west-2", few)
    timings = in_turn(
        {
            "floor": stage.anchor("floor", "us-east-1"),
            "ours": stage.ours("ours", "--region=us-east-1"),
            "naive": stage.anchor("naive", "us-west-2"),
        },
        runs,
        stage.forget,
    )
    ours, naive = timings["ours"], timings["naive"]
    floor_ratio = ours.median / timings["floor"].median
    naive_ratio = (ours.median / rows) / (naive.median / few)
    yield figure(scenario, "floor", timings["floor"])
    yield figure(
        scenario,
        "ours",
        ours,
        calls=calls_of(ours),
        held_against="floor",
        ratio=floor_ratio,
        goal=2.0,
    )
    yield figure(scenario, "naive, 50,000 rows", naive)
    yield figure(
        scenario, "ours", ours, held_against="naive, per row", ratio=naive_ratio, goal=1 / 20
    )


def nothing_new(stage: Stage, runs: int) -> Iterator[Figure]:
    """What a run costs that finds nothing, and what starting up costs."""
    stage.fill("us-east-1", 50_000)
    run = stage.ours("nothing", "--region=us-east-1")
    in_turn({"first": run}, 1)
    timings = in_turn(
        {
            "nothing new": run,
            "imports": [sys.executable, "-c", IMPORTS],
            "--help": [sys.executable, "-m", "bedrock_async_etl", "--help"],
        },
        runs,
    )
    for (name, timing), goal in zip(timings.items(), (2.5, 1.5, 0.3), strict=True):
        yield figure(
            "one scope",
            name,
            timing,
            held_against="1 s",
            ratio=timing.median,
            goal=goal,
            calls=calls_of(timing) if name == "nothing new" else None,
        )


def increment(stage: Stage, runs: int) -> Iterator[Figure]:
    """About 1,000 new rows an hour, over a small table and over a large one, also with models."""
    small, large = "us-east-1", "us-west-2"
    stage.fill(large, 4_950_000, until_days_ago=20, days=1_000)
    for region in (small, large):
        stage.fill(region, 50_000, days=5)
        hours = timedelta(hours=2 * runs + 2)
        stage.bedrock.populate(ACCOUNT, region, 2_000 * (runs + 1), NOW, NOW + hours, 1)
    regions = {"over 50,000 rows": small, "over 5,000,000 rows": large}
    commands = {
        f"{over}{models}": stage.ours(
            f"{region}{models}", f"--region={region}", with_models=bool(models)
        )
        for models in ("", ", with models")
        for over, region in regions.items()
    }
    in_turn(commands, 1)

    def advance_before_the_first(name: str) -> None:
        if name == "over 50,000 rows":
            stage.bedrock.advance(timedelta(hours=1))

    timings = in_turn(commands, runs, advance_before_the_first)
    for models in ("", ", with models"):
        few, many = (timings[f"{over}{models}"] for over in regions)
        yield figure("1,000 new rows", f"over 50,000{models}", few, calls=calls_of(few))
        yield figure(
            "1,000 new rows",
            f"over 5,000,000{models}",
            many,
            calls=calls_of(many),
            held_against=f"over 50,000{models}",
            ratio=many.median / few.median,
            goal=1.3,
        )


def delayed(stage: Stage, runs: int) -> Iterator[Figure]:
    """100 ms a call: 300,000 rows of one scope, and an increment of 45 scopes."""
    stage.fill("us-east-1", 300_000)
    accounts = ACCOUNTS[:8]
    for seed, account in enumerate(accounts):
        for region in REGIONS[:5]:
            end = NOW + timedelta(hours=2 * runs + 2)
            stage.bedrock.populate(account, region, 3_000, NOW - timedelta(days=9), end, seed)
    options = [f"--concurrency={CONCURRENCY}"]
    roles = [f"--role-arn=arn:aws:iam::{account}:role/reader" for account in accounts]
    regions = [f"--region={region}" for region in REGIONS[:5]]
    backfill = stage.ours("backfill", "--region=us-east-1", *options)
    forty = stage.ours("forty", *regions, *roles, *options)
    still = stage.ours("still", "--region=us-east-1", *options)
    in_turn({"forty": forty, "still": still}, 1)

    def prepare(name: str) -> None:
        if name == "backfill":
            for path in stage.folder.glob("backfill.duckdb*"):
                path.unlink()
        if name == "forty":
            stage.bedrock.advance(timedelta(hours=2))
        if name == "start-up":
            stage.bedrock.clear_faults()
        else:
            stage.bedrock.faults(latency_seconds=LATENCY_SECONDS)

    timings = in_turn({"start-up": still, "backfill": backfill, "forty": forty}, runs, prepare)
    stage.bedrock.clear_faults()
    start_up = timings["start-up"].median
    yield figure("100 ms a call", "start-up (nothing new, no delay)", timings["start-up"])
    names = {"backfill": "300,000 rows, one scope", "forty": "increment of 45 scopes"}
    for name, command in names.items():
        timing = timings[name]
        calls = calls_of(timing)
        least = calls * LATENCY_SECONDS / CONCURRENCY
        yield figure(
            "100 ms a call",
            command,
            timing,
            calls=calls,
            held_against=f"calls x 0.1 s / {CONCURRENCY} + start-up",
            ratio=timing.median / (least + start_up),
            goal=1.3,
        )


def throttled(stage: Stage, runs: int) -> Iterator[Figure]:
    """A service that lets 5 calls a second through: how much of that is used while reading."""
    stage.fill("us-east-1", 100_000)
    stage.bedrock.faults(ACCOUNT, "us-east-1", throttle_per_second=THROTTLED_TO)
    commands = {
        f"concurrency {number}": stage.ours(f"c{number}", f"--concurrency={number}")
        for number in (1, 16)
    }
    timings = in_turn(commands, runs, lambda name: stage.forget(f"c{name.split()[1]}"))
    for name, timing in timings.items():
        [scope] = json.loads(timing.runs[-1].output)["scopes"]
        let_through = scope["calls"] - scope["throttled"]
        yield figure(
            "5 calls a second",
            f"100,000 rows, {name}",
            timing,
            calls=scope["calls"],
            held_against=f"{let_through} let through",
            ratio=_reading_seconds(stage, name) * THROTTLED_TO / let_through,
            goal=1 / 0.9,
        )


def _reading_seconds(stage: Stage, name: str) -> float:
    """How long the scope of a database was read; both times come from one clock."""
    with duckdb.connect(stage.database(f"c{name.split()[1]}"), read_only=True) as connection:
        row = connection.execute(
            "select epoch(finished_at) - epoch(started_at) from bedrock.extract_runs"
        ).fetchone()
    assert row is not None
    return float(row[0])


def memory(stage: Stage, runs: int) -> Iterator[Figure]:
    """Ten times the rows."""
    stage.fill("us-east-1", 200_000)
    stage.fill("us-west-2", 2_000_000)
    timings = in_turn(
        {
            "few": stage.ours("few", "--region=us-east-1"),
            "many": stage.ours("many", "--region=us-west-2"),
        },
        runs,
        stage.forget,
    )
    few, many = timings.values()
    yield figure("peak memory", "200,000 rows", few)
    yield figure(
        "peak memory",
        "2,000,000 rows",
        many,
        held_against="200,000 rows, MB",
        ratio=many.peak_mb / few.peak_mb,
        goal=1.3,
    )


def many_scopes(stage: Stage, runs: int) -> Iterator[Figure]:
    """More than a thousand scopes, of which 50 have invocations."""
    start, end = NOW - timedelta(days=10), NOW - timedelta(days=1)
    for account in ACCOUNTS[:10]:
        for region in REGIONS[:5]:
            stage.bedrock.populate(account, region, 2_000, start, end)
    roles = [f"arn:aws:iam::{account}:role/reader" for account in ACCOUNTS]
    # Not as options: so many would hide the rest of the command line.
    os.environ["SOURCES__BEDROCK_ASYNC_INVOKES__ROLE_ARNS"] = json.dumps(roles)
    commands = {"scopes": stage.ours("scopes", "--region=all")}
    [timing] = in_turn(commands, runs, stage.forget).values()
    number = len(json.loads(timing.runs[-1].output)["scopes"])
    yield figure(
        "peak memory",
        f"{number:,} scopes, 50 of them not empty",
        timing,
        calls=calls_of(timing),
        held_against="600 MB",
        ratio=timing.peak_mb / 600,
        goal=1.0,
    )


SCENARIOS: Final[dict[str, Callable[[Stage, int], Iterator[Figure]]]] = {
    "first-load": first_load,
    "nothing-new": nothing_new,
    "increment": increment,
    "delayed": delayed,
    "throttled": throttled,
    "memory": memory,
    "many-scopes": many_scopes,
    "destinations": destinations,
    "lake-models": lake_models,
    "year": year,
}


def growth(stage: Stage, runs: int) -> dict[str, dict[int, float]]:
    """Median seconds of a first load by command and rows, for the picture."""
    sizes = {
        "naive": (10_000, 25_000, 50_000),
        "floor": (50_000, 250_000, 500_000, 1_000_000),
        "ours": (50_000, 250_000, 500_000, 1_000_000),
    }
    regions = dict(
        zip(sorted({rows for each in sizes.values() for rows in each}), REGIONS, strict=True)
    )
    for rows, region in regions.items():
        stage.fill(region, rows)
    commands = {
        f"{name} {rows}": (
            stage.ours(f"{name} {rows}", f"--region={regions[rows]}")
            if name == "ours"
            else stage.anchor(f"{name} {rows}", regions[rows])
        )
        for name, each in sizes.items()
        for rows in each
    }
    timings = in_turn(commands, runs, stage.forget)
    return {
        name: {rows: round(timings[f"{name} {rows}"].median, 3) for rows in each}
        for name, each in sizes.items()
    }
