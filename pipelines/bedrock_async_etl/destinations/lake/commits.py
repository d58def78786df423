"""Parts of commits that table formats share: newest versions and retries."""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from bedrock_async_invokes.columns import Table

ATTEMPTS: Final = 30
"""Per call, while other workers commit to the same table."""
Result = TypeVar("Result")


def newest_versions(rows: pa.Table, table: Table) -> pa.Table:
    """The row of each key that was read last; the last one of a tie."""
    if len(table.key) == 1 and rows.num_rows == pc.count_distinct(rows[table.key[0]]).as_py():
        return rows
    numbered = rows.append_column("row", pa.array(range(rows.num_rows), pa.int64()))
    ordered = numbered.sort_by([(table.newest_by, "ascending"), ("row", "ascending")])
    last = ordered.group_by([*table.key], use_threads=False).aggregate([("row", "last")])
    return rows.take(last["row_last"])


def with_retries(call: Callable[[], Result], may_succeed: Callable[[Exception], bool]) -> Result:
    """The result of a call, repeated after errors that may pass."""
    for attempt in range(ATTEMPTS - 1):
        try:
            return call()
        except Exception as error:
            if not may_succeed(error):
                raise
        time.sleep(random.uniform(0, min(5.0, 0.1 * 2**attempt)))
    return call()
