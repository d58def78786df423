"""`compact`: a lake's small files merged."""

from dataclasses import asdict
from typing import Annotated, Final

import typer

from bedrock_async_etl.commands.options import JsonOption, Lake
from bedrock_async_etl.console import output_console, plain_table, print_json
from bedrock_async_etl.options import GRACE_SECONDS

EXAMPLES: Final = """\
# Merge a lake's small files
bedrock-async-etl compact --lake lake
"""


def command(
    lake: Lake,
    grace: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="Time for which replaced files stay for their readers."
        ),
    ] = GRACE_SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Merge a lake's small files. Replaced files are deleted by the next compaction."""
    from bedrock_async_etl.destinations import existing_lake
    from bedrock_async_etl.destinations.lake.compaction import compact

    compactions = compact(existing_lake(**lake), grace)
    if as_json:
        print_json({"tables": [asdict(each) for each in compactions], "exit_code": 0})
        return
    numbers = ("files", "files now", "rows rewritten", "replaced before, removed")
    rows = [
        (each.table, each.files_before, each.files_after, each.rows_rewritten, each.removed)
        for each in compactions
    ]
    output_console().print(plain_table(["table", *numbers], rows, numbers=numbers))
