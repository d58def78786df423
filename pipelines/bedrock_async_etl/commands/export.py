"""`export`: rows and models as Parquet files."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from bedrock_async_etl.commands.options import Copy, JsonOption, existing_copy
from bedrock_async_etl.console import error_console, output_console, plain_table, print_json
from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.formatting import format_count
from bedrock_async_etl.options import drop_none

if TYPE_CHECKING:
    from bedrock_async_etl.export.export import ExportResult

EXAMPLES: Final = """\
# To a folder; the next time only what has changed
bedrock-async-etl export out

# How engines read a lake as it is
bedrock-async-etl export --readers --lake lake

# What an export to S3 would write
bedrock-async-etl export s3://my-bucket/export --dry-run
"""


def command(
    copy: Copy,
    url: Annotated[
        str | None,
        typer.Argument(metavar="[URL]", help="A folder, or s3://BUCKET/PATH."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print what would be written and removed; touch nothing.",
            rich_help_panel="Output",
        ),
    ] = False,
    readers: Annotated[
        bool,
        typer.Option(
            "--readers",
            help="Print the statements with which engines read every table; without URL, those of "
            "the lake itself.",
            rich_help_panel="Output",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export rows and models as Parquet; unchanged files are kept."""
    from bedrock_async_etl.destinations.lake import LakeDestination
    from bedrock_async_etl.export.export import export_between_runs
    from bedrock_async_etl.export.readers import export_relations, lake_relations, statements

    if url is None:
        if not readers:
            raise UsageError("Where to? Give a folder, or s3://BUCKET/PATH.")
        lake = existing_copy(copy)
        if not isinstance(lake, LakeDestination):
            raise UsageError(
                "--readers without URL is for a lake: engines open a DuckDB file as it is."
            )
        read = statements(lake_relations(lake))
        if as_json:
            print_json({"readers": read, "exit_code": 0})
        else:
            output_console().print(read, end="")
        return
    result = export_between_runs(existing_copy(copy), url, dry_run=dry_run)
    relations = export_relations(result.manifest, url)
    every = statements(relations) if readers else None
    if as_json:
        print_json(result.as_json() | drop_none(readers=every) | {"exit_code": 0})
        return
    _print_export(result)
    if every or result.is_first:
        output_console().print(every or statements(relations, only_rows=True), end="")


def _print_export(result: "ExportResult") -> None:
    """Print a row for each table that has changes, and the totals."""
    numbers = ("written", "removed", "left", "rows written", "rows")
    rows = [
        (
            each.name,
            len(each.written),
            len(each.removed),
            len(each.left),
            sum(partition.rows for partition in each.written),
            each.rows,
        )
        for each in result.tables
        if each.written or each.removed
    ]
    console = output_console()
    if rows:
        console.print(plain_table(["table", *numbers], rows, numbers=numbers))
    if not result.has_models:
        error_console().print(
            "There are no models: only the rows are exported. Build with `models`."
        )
    console.print(_totals(result))


def _totals(result: "ExportResult") -> str:
    written = [partition for table in result.tables for partition in table.written]
    removed = sum(len(table.removed) for table in result.tables)
    left = sum(len(table.left) for table in result.tables)
    rows = sum(partition.rows for partition in written)
    partitions = format_count(len(written), "partition")
    counts = f"{partitions} with {format_count(rows, 'row')} to {result.url}"
    others = f"{removed:,} removed, {left:,} left as they are"
    if result.dry_run:
        return f"Would write {counts}: {others}. Nothing was touched."
    megabytes = sum(partition.bytes for partition in written) / 1e6
    return f"Wrote {counts}, {megabytes:,.1f} MB, in {result.seconds:.1f} s; {others}."
