"""The dlt source: the three resources of an extraction."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import dlt
import pyarrow as pa
from dlt.sources import DltResource

from .columns import ASYNC_INVOKES, EXTRACT_RUNS, LOAD_ID, VANISHED_INVOKES, Table, no_rows
from .options import LoadOptions, options_of, signature_of
from .run import Extraction, RunContext

__all__ = ["Extraction", "RunContext", "bedrock_async_invokes", "extraction_source"]

NAME: Final = "bedrock_async_invokes"
"""Name of the source, and its section in dlt's configuration."""

MERGE: Final[dict[str, Any]] = {
    "write_disposition": {"disposition": "merge", "strategy": "delete-insert"}
}
"""An upsert would leave duplicates behind when it is killed between its two statements."""

CONTRACT: Final[Any] = {"tables": "evolve", "columns": "evolve", "data_type": "freeze"}
"""New members of Bedrock's are in `extra`: a new table or column can only come from a newer version
of this source. A value of another type is refused, since a destination would cast it."""


def _with_load_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function of `**options` the parameters of `LoadOptions`, which dlt then configures."""
    options = (f"    {each.name}: {each.help}" for each in options_of(LoadOptions))
    function.__doc__ = "\n".join([str(function.__doc__), "Args:", *options])
    function.__signature__ = signature_of(LoadOptions, dlt.TSecretStrValue)  # type: ignore[attr-defined]
    return function


@dlt.source(name=NAME, section=NAME, schema_contract=CONTRACT)
@_with_load_options
def bedrock_async_invokes(**options: Any) -> Sequence[DltResource]:
    """The resources `async_invokes`, `extract_runs` and `vanished_invokes` of a new extraction."""
    return _resources(Extraction(RunContext(LoadOptions(**options))))


@dlt.source(name=NAME, section=NAME, schema_contract=CONTRACT)
def extraction_source(
    # Any, since dlt's configuration has no place for an object of ours.
    extraction: Any,
    slice_rows: int | None = None,
) -> Sequence[DltResource]:
    """The same resources of a given `Extraction`, with about `slice_rows` rows each time.

    A further run continues after the last slice, until `extraction.is_finished`.
    """
    return _resources(extraction, slice_rows)


def _resources(extraction: Extraction, slice_rows: int | None = None) -> Sequence[DltResource]:
    is_read = threading.Event()

    def async_invokes() -> Iterator[pa.Table]:
        is_whole = False
        try:
            yield from _new_table(ASYNC_INVOKES)
            for table in extraction.batches(dlt.current.resource_state(), slice_rows):
                yield _with_load_id(table)
            is_whole = True
        finally:
            if not is_whole:
                extraction.close()
            is_read.set()

    def found_meanwhile(table: Table, rows: Callable[[], pa.Table]) -> Iterator[pa.Table | None]:
        yield from _new_table(table)
        while (
            not is_read.is_set() and ASYNC_INVOKES.name in dlt.current.source().selected_resources
        ):
            yield None  # dlt takes the other resources' items.
        if (found := rows()).num_rows:
            yield _with_load_id(found)

    return (
        _resource(
            ASYNC_INVOKES,
            async_invokes,
            columns={ASYNC_INVOKES.newest_by: {"dedup_sort": "desc"}},
        ),
        _resource(EXTRACT_RUNS, lambda: found_meanwhile(EXTRACT_RUNS, extraction.new_runs)),
        _resource(
            VANISHED_INVOKES, lambda: found_meanwhile(VANISHED_INVOKES, extraction.new_vanished)
        ),
    )


def _resource(table: Table, rows: Callable[[], Iterator[Any]], **hints: Any) -> DltResource:
    resource: DltResource = dlt.resource(
        rows, name=table.name, section=NAME, primary_key=table.key, **MERGE, **hints
    )
    return resource


def _new_table(table: Table) -> Iterator[pa.Table]:
    """A table without rows on the first load, so that queries find all tables from then on."""
    if table.name not in dlt.current.source_schema().tables:
        yield _with_load_id(no_rows(table.schema))


def _with_load_id(table: pa.Table) -> pa.Table:
    """dlt adds this column to Arrow tables only if its configuration asks for it."""
    load_id = dlt.current.load_package_state()["load_id"]
    column = pa.field(LOAD_ID, pa.string(), nullable=False)
    return table.append_column(column, pa.repeat(load_id, table.num_rows))
