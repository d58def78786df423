"""What costs after the load, over five million rows: models, export, report, status, check.

uv run python -m tests.benchmarks.models [--runs N] [--share X] [--against PYTHON]
"""

import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from tests.benchmarks.processes import Timing, in_turn, save
from tests.conftest import NOW
from tests.sql.given import store
from tests.timelines import timeline

ROWS: Final = 5_000_000
TIMELINE_ROWS: Final = 200_000
DAYS: Final = 58
COPIES: Final = """
insert into bedrock.async_invokes by name
select * exclude (copy, ms) replace (
    invocation_arn || '-' || copy as invocation_arn,
    submit_time - to_milliseconds(ms) as submit_time,
    end_time - to_milliseconds(ms) as end_time,
    last_modified_time - to_milliseconds(ms) as last_modified_time,
    cast((submit_time - to_milliseconds(ms)) at time zone 'UTC' as date) as submit_date
)
from (
    select *, cast(hash(invocation_arn, copy) % 3_600_000 as bigint) as ms
    from (from bedrock.async_invokes where end_time is not null)
    cross join (select unnest(range(1, $copies)) as copy)
)
order by submit_time
"""
LATER: Final = """
set variable seen = (select max(observed_at) + interval 10 minute from bedrock.async_invokes);
create temp table later as
select * replace (getvariable('seen') as observed_at)
from (
    select * replace (invocation_arn || '-' || epoch_us(getvariable('seen')) as invocation_arn)
    from bedrock.async_invokes
    where submit_date = (select max(submit_date) from bedrock.async_invokes)
    limit 950
)
union all
from (
    from bedrock.async_invokes
    where submit_date = (select max(submit_date) - 1 from bedrock.async_invokes)
    limit 50
);
delete from bedrock.async_invokes where invocation_arn in (select invocation_arn from later);
insert into bedrock.async_invokes from later;
update bedrock.extract_runs set finished_at = getvariable('seen');
"""
"""What a run loads ten minutes later: 950 new rows, and 50 that have changed."""


def make_database(path: Path, rows: int) -> None:
    """A timeline of 58 days, and copies of what has ended of it, each up to an hour earlier."""
    [tables] = timeline(min(rows, TIMELINE_ROWS), timedelta(days=DAYS), NOW)
    with DuckDBDestination(path).connect(read_only=False):
        pass  # It is made as a load makes it: older versions of DuckDB can read it.
    store(path, **tables)
    with duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(COPIES, {"copies": rows // TIMELINE_ROWS})


def load_more(path: Path) -> None:
    """Load a thousand rows."""
    with duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(LATER)


def apart(function: Callable[..., None], *arguments: object) -> None:
    """Call a function in a process of its own: what this one takes counts as its children's."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0


def main(
    runs: Annotated[int, typer.Option(envvar="BENCHMARKS_RUNS")] = 5,
    share: Annotated[float, typer.Option(envvar="BENCHMARKS_SHARE")] = 1.0,
    against: Annotated[
        str | None, typer.Option(help="The Python of another version, measured in turn.")
    ] = None,
) -> None:
    """Print and save medians."""
    pythons = {"ours": sys.executable} | ({"other": against} if against else {})
    rows = round(ROWS * share)
    with tempfile.TemporaryDirectory() as name:
        timings = measured(Path(name), rows, pythons, runs)
    figures = {
        name: {"seconds": timing.seconds, "peak_mb": round(timing.peak_mb)}
        for name, timing in timings.items()
    }
    path = save("models", {"rows": rows, "figures": figures})
    table = Table(f"{rows:,} rows, medians of {runs} runs", box=None, pad_edge=False)
    for column in ("seconds", "peak MB"):
        table.add_column(column, justify="right")
    for name, timing in timings.items():
        table.add_row(name, f"{timing.median:.1f}", f"{timing.peak_mb:,.0f}")
    Console().print(table, f"All times are in {path}.")


@dataclass
class Bench:
    """Databases of one size, one for each version, and what was measured of them."""

    folder: Path
    rows: int
    pythons: Mapping[str, str]
    runs: int
    timings: dict[str, Timing]

    def __post_init__(self) -> None:
        for name in self.pythons:
            apart(make_database, self.database(name), self.rows)

    def database(self, name: str) -> Path:
        return self.folder / f"{name}_{self.rows}.duckdb"

    def time(self, what: str, *command: str, before: Callable[[Path], None] | None = None) -> None:
        """Time a command; VERSION in it stands for the version's name."""
        databases, commands = {}, {}
        for name, python in self.pythons.items():
            key = f"{what}, {self.rows:,} rows, {name}"
            databases[key] = self.database(name)
            given = [each.replace("VERSION", name) for each in command]
            place = f"--database={databases[key]}"
            commands[key] = [python, "-m", "bedrock_async_etl", *given, place]

        def prepare(key: str) -> None:
            if before:
                apart(before, databases[key])

        self.timings |= in_turn(commands, self.runs, prepare)


def measured(folder: Path, rows: int, pythons: Mapping[str, str], runs: int) -> dict[str, Timing]:
    """The timing of each command by its name and that of the version."""
    timings: dict[str, Timing] = {}
    for size in (rows, rows // 10):
        bench = Bench(folder, size, pythons, runs, timings)
        bench.time("first build", "models", before=forget_models)
        bench.time("1,000 rows later", "models", before=load_more)
        bench.time("full build", "models", "--full")
        if size == rows:
            bench.time("export", "export", f"{folder}/VERSION")
            bench.time("report", "report", f"{folder}/VERSION.html", "--period=90d")
            bench.time("status", "status")
            bench.time("check", "check", "--max-failure-rate=50%", "--max-p95=10d")
    return timings


def forget_models(path: Path) -> None:
    """Leave a database as a load without models does."""
    with duckdb.connect(path) as connection:
        for schema in ("bedrock_analytics", "bedrock_builds"):
            connection.execute(f"drop schema if exists {schema} cascade")


if __name__ == "__main__":
    typer.run(main)
