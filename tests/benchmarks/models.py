"""All models over five million rows, against the same SELECTs run by hand as `create table as`.

uv run python -m tests.benchmarks.models [--runs N] [--share X]
"""

import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from bedrock_async_etl.models.build import in_order, stored_tables
from bedrock_async_etl.models.sql_files import read_models
from tests.benchmarks.processes import in_turn, save
from tests.conftest import NOW
from tests.sql.given import store
from tests.timelines import timeline

ROWS = 5_000_000
TIMELINE_ROWS, TIMELINE_DAYS = 200_000, 30
BY_HAND = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("set TimeZone = 'UTC'; create schema if not exists bedrock_analytics")
for statement in open(sys.argv[2]).read().split('\\0'):
    connection.execute(statement)
"""
EARLIER = """
insert into bedrock.async_invokes
select * replace (
    invocation_arn || '-' || $copy as invocation_arn,
    submit_time - to_hours($hours) as submit_time,
    end_time - to_hours($hours) as end_time,
    last_modified_time - to_hours($hours) as last_modified_time,
    cast((submit_time - to_hours($hours)) at time zone 'UTC' as date) as submit_date
)
from ended
"""


def make_database(path: Path, rows: int) -> None:
    """A timeline of 30 days, and copies of what has ended of it, each 30 days earlier."""
    [tables] = timeline(min(rows, TIMELINE_ROWS), timedelta(days=TIMELINE_DAYS), NOW)
    store(path, **tables)
    with duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            "create temp table ended as from bedrock.async_invokes where end_time is not null"
        )
        for copy in range(1, rows // TIMELINE_ROWS):
            hours = 24 * TIMELINE_DAYS * copy
            connection.execute(EARLIER, {"copy": copy, "hours": hours})


def main(
    runs: Annotated[int, typer.Option(envvar="BENCHMARKS_RUNS")] = 5,
    share: Annotated[float, typer.Option(envvar="BENCHMARKS_SHARE")] = 1.0,
) -> None:
    """Print and save medians and their ratio."""
    rows = round(ROWS * share)
    with tempfile.TemporaryDirectory() as folder:
        ours, by_hand = Path(folder, "ours.duckdb"), Path(folder, "by_hand.duckdb")
        make_database(ours, rows)
        shutil.copy(ours, by_hand)
        script = Path(folder, "by_hand.sql")
        script.write_text(statements(ours))
        timings = in_turn(
            {
                "ours": [sys.executable, "-m", "bedrock_async_etl", "models", f"--database={ours}"],
                "by hand": [sys.executable, "-c", BY_HAND, str(by_hand), str(script)],
            },
            runs,
        )
    ratio = timings["ours"].median / timings["by hand"].median
    seconds = {name: timing.seconds for name, timing in timings.items()}
    path = save("models", {"rows": rows, "ratio": round(ratio, 3), "seconds": seconds})
    table = Table(f"{rows:,} rows, medians of {runs} runs", box=None, pad_edge=False)
    table.add_column("seconds", justify="right")
    for name, timing in timings.items():
        table.add_row(name, f"{timing.median:.1f}")
    table.add_row("ratio", f"{ratio:.2f}")
    Console().print(table, f"All times are in {path}.")


def statements(database: Path) -> str:
    """The models as statements, in the order that they need."""
    with duckdb.connect(database, read_only=True) as connection:
        stored = stored_tables(connection)
    return "\0".join(
        f"create or replace table bedrock_analytics.{model.name} as\n{model.text}\n"
        for model in in_order(read_models(), stored)
    )


if __name__ == "__main__":
    typer.run(main)
