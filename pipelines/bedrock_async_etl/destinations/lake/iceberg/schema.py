"""The schema of each table: its columns, its days, and its order."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from bedrock_async_invokes.columns import ASYNC_INVOKES, EXTRACT_RUNS, Table

if TYPE_CHECKING:
    from pyiceberg.schema import Schema

DAYS: Final = {ASYNC_INVOKES.name: "submit_time", EXTRACT_RUNS.name: "started_at"}
"""Columns by whose UTC day a table is partitioned. `vanished_invokes` is not, as an invocation may
come back and vanish again on another day."""


def schema_of(definition: Table) -> "Schema":
    """The Iceberg schema of a table, with the meanings of its columns."""
    from pyiceberg import types
    from pyiceberg.schema import Schema

    kinds: dict[pa.DataType, Any] = {
        pa.string(): types.StringType,
        pa.int64(): types.LongType,
        pa.bool_(): types.BooleanType,
        pa.date32(): types.DateType,
        pa.timestamp("us", tz="UTC"): types.TimestamptzType,
    }
    meanings = {each.name: each.meaning for each in definition.columns}
    return Schema(
        *(
            types.NestedField(
                number,
                each.name,
                kinds[each.type](),
                required=not each.nullable,
                doc=meanings.get(each.name, "Load of dlt."),
            )
            for number, each in enumerate(definition.stored_schema, 1)
        )
    )


def sorted_by(definition: Table) -> Sequence[str]:
    """The columns by which the rows of a file are sorted."""
    day = DAYS.get(definition.name)
    return [*([day] if day else []), *definition.key]
