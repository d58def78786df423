"""The models at a glance: failure rates, latencies, what is open, and the days that went wrong."""

from typing import Any, Final

from rich.table import Table

from bedrock_async_etl.commands.console import output_console, plain_table
from bedrock_async_etl.destinations import Destination

SUMMARY: Final = "from bedrock_analytics.model_summary order by model_id"
BAD_DAYS: Final = """
select
    cast(submit_hour at time zone 'UTC' as date) as submit_date,
    account_id,
    region,
    model_id,
    count(*) as hours,
    sum(failed) / sum(terminal) as rate,
    min(baseline_rate) as baseline_rate,
    max(z_score) as z_score,
from bedrock_analytics.failure_spikes
where submit_hour >= (select max(as_of) - interval 30 days from bedrock_analytics.scopes)
group by all
having count(*) >= ?
order by hours desc, z_score desc
"""
BAD_HOURS: Final = 3
"""Hours with a spike that make a day a bad one; among many hours, a single one may be chance."""

SHARES: Final = ("p50", "p95", "p99")

Row = dict[str, Any]


def print_summary(destination: Destination) -> None:
    """Print what the models say of the last 30 days."""
    with destination.connection() as connection:
        summary = connection.sql(SUMMARY).to_arrow_table().to_pylist()
        bad_days = connection.sql(BAD_DAYS, params=[BAD_HOURS]).to_arrow_table().to_pylist()
    console = output_console()
    for table in (_failures(summary), _latencies(summary), _bad_days(bad_days)):
        console.print(table)
        console.print()


def _failures(summary: list[Row]) -> Table:
    numbers = ("invocations", "failed", "failure rate", "95 % interval", "open", "stuck")
    table = plain_table("model", numbers=numbers)
    for row in summary:
        table.add_row(
            row["model_id"],
            f"{row['invocations']:,}",
            f"{row['failed']:,}",
            _percent(row["failure_rate"]),
            f"{_percent(row['failure_rate_low'])} - {_percent(row['failure_rate_high'])}",
            f"{row['open_invocations']:,}",
            f"{row['stuck']:,}",
        )
    return table


def _latencies(summary: list[Row]) -> Table:
    """Those of what has ended beside those that hold while others are still open."""
    columns = [f"{kind}_{share}" for kind in ("latency", "survival") for share in SHARES]
    headings = [column.replace("latency", "ended").replace("_", " ") for column in columns]
    table = plain_table("seconds", numbers=headings)
    for row in summary:
        table.add_row(row["model_id"], *(_seconds(row[column]) for column in columns))
    return table


def _bad_days(bad_days: list[Row]) -> Table:
    numbers = ("day", "hours", "failure rate", "usual", "highest z")
    table = plain_table(f"failure spikes in {BAD_HOURS} hours or more", numbers=numbers)
    for row in bad_days:
        table.add_row(
            f"{row['account_id']} {row['region']} {row['model_id']}",
            f"{row['submit_date']}",
            f"{row['hours']}",
            _percent(row["rate"]),
            _percent(row["baseline_rate"]),
            f"{row['z_score']:.1f}",
        )
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:,.1f}"
