"""`status` for people: three sentences, what is stuck, and the scopes."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from bedrock_async_etl.commands.console import FAILURES, ROWS, output_console, plain_table
from bedrock_async_etl.formatting import counted, quarantine_told, show_age, show_time
from bedrock_async_etl.status import Row, Status


def print_status(status: Status, *, all_scopes: bool) -> None:
    """Print it; of very many scopes those that failed and the stalest, unless all are asked for."""
    console = output_console()
    for line in (_fresh(status), _whole(status), _stuck(status)):
        console.print(line)
    if status.worst:
        console.print()
        for line in _worst(status.worst):
            console.print(line)
    console.print()
    shown = _shown(status.scopes, all_scopes=all_scopes)
    console.print(_scopes(shown))
    if len(shown) < len(status.scopes):
        left_out = counted(len(status.scopes) - len(shown), "more scope")
        console.print(f"and {left_out}: `--all` shows them.")
    failed = [scope for scope in shown if scope["last_error"]]
    for scope in failed if all_scopes else failed[:FAILURES]:
        console.print(f"{scope['account_id']}/{scope['region']}: {scope['last_error']}")
    quarantined = [scope for scope in shown if scope["quarantined"]]
    for scope in quarantined if all_scopes else quarantined[:FAILURES]:
        told = quarantine_told(scope["quarantined"], scope["quarantine_reason"])
        console.print(f"{scope['account_id']}/{scope['region']}: {told}")


def _fresh(status: Status) -> str:
    if status.newest_age is None:
        return "Fresh?  No run has read a scope whole yet."
    never = len(status.never_read)
    rest = f"; {counted(never, 'scope')} never" if never else ""
    if len(status.scopes) == 1:
        return f"Fresh?  Last good run {show_age(status.newest_age)} ago."
    return (
        f"Fresh?  Last good run {show_age(status.newest_age)} ago, "
        f"{show_age(status.oldest_age)} ago where it is longest{rest}."
    )


def _whole(status: Status) -> str:
    scopes = counted(len(status.scopes), "scope")
    foreign = sum(scope["quarantined"] for scope in status.quarantined)
    rest = f" {counted(foreign, 'foreign row')} quarantined." if foreign else ""
    if not status.failed:
        return f"Whole?  Yes: the last run of {scopes} was good.{rest}"
    return f"Whole?  No: the last run of {len(status.failed):,} of {scopes} failed.{rest}"


def _stuck(status: Status) -> str:
    counts = status.counts
    if status.modelled_at is None:
        return f"Stuck?  {counts['open']:,} open; build the models with `models` to tell more."
    told = f"Stuck?  {counts['open']:,} open, {counts['stuck']:,} stuck"
    told += f", {counts['vanished']:,} vanished" if counts["vanished"] else ""
    behind = " (the models are older than the last run)" if status.are_models_behind else ""
    return f"{told}{behind}."


def _worst(worst: Sequence[Row]) -> Iterator[str]:
    """Two lines each, since ARNs and URIs are long."""
    for row in worst:
        usual = f", usually {show_age(row['typical_p99'])} at most" if row["typical_p99"] else ""
        what = "vanished" if row["is_vanished"] else "stuck" if row["is_stuck"] else "open"
        yield f"{what} for {show_age(row['age_seconds'])}{usual}: {row['model_id']}"
        yield f"  {row['invocation_arn']}"
        if row["output_s3_uri"]:
            yield f"  {row['output_s3_uri']}"


def _shown(scopes: Sequence[Row], *, all_scopes: bool) -> list[Row]:
    """Failed ones first; where not all are shown, the stalest of the others."""
    if all_scopes or len(scopes) <= ROWS:
        return sorted(scopes, key=lambda scope: scope["last_outcome"] == "ok")
    return sorted(
        scopes,
        key=lambda scope: (
            scope["last_outcome"] == "ok",
            -(scope["last_success_age_seconds"] or float("inf")),
        ),
    )[:ROWS]


def _scopes(scopes: Sequence[Row]) -> Table:
    table = plain_table("account", "region", "last run")
    table.add_column("last success", justify="right")
    table.add_column("submitted through (UTC)")
    table.add_column("open", justify="right")
    for scope in scopes:
        age = scope["last_success_age_seconds"]
        table.add_row(
            scope["account_id"],
            scope["region"],
            scope["last_outcome"],
            "never" if age is None else f"{show_age(age, units=1)} ago",
            show_time(scope["submitted_through"]),
            f"{scope['open_invocations']:,}",
        )
    return table
