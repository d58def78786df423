"""What has been read of one scope: the watermark, and the invocations whose next reading matters.

`dlt.sources.incremental` is not used for this. Its cursor would pass invocations that are still
running and never see them end, its boundary de-duplication drops a re-read row whose key it has
seen, and it would run past a gap where a window failed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from .records import SCHEMA, digests, is_open, submit_microseconds
from .windows import OpenInvocation, Plan, Window, plan_increment

Stored = Callable[[pa.Table], Mapping[str, str]]
"""Digests by ARN of the rows that the destination holds, of those in the table given."""


class ClosedInvocation(NamedTuple):
    """An ended invocation near the watermark, which the next run reads again."""

    submit_us: int | None
    digest: str


class Changes(NamedTuple):
    """What of a table that was read is to be loaded."""

    table: pa.Table
    new: int
    changed: int
    vanished: tuple[str, ...]
    """ARNs of open invocations that the listing no longer has."""


class Progress:
    """Progress of one scope, kept in dlt's resource state and so committed with its rows."""

    def __init__(self, lag_us: int) -> None:
        self.lag_us = lag_us
        self.submitted_through: int | None = None
        """The largest submitTime (microseconds) such that all before it has been read."""
        self.rows = 0
        """Invocations seen so far; the rank of the next one."""
        self.open: dict[str, OpenInvocation] = {}
        self.recent: dict[str, ClosedInvocation] = {}
        """Ended ones submitted within `lag` of the watermark, and those without a submitTime."""
        self._ended = SCHEMA.empty_table()

    @classmethod
    def from_state(cls, state: Mapping[str, Any], lag_us: int) -> "Progress":
        """Restore what `to_state` gave; an empty mapping is a scope never read."""
        progress = cls(lag_us)
        progress.submitted_through = state.get("submitted_through")
        progress.rows = state.get("rows", 0)
        progress.open = {arn: OpenInvocation(*seen) for arn, seen in state.get("open", {}).items()}
        progress.recent = {
            arn: ClosedInvocation(*seen) for arn, seen in state.get("recent", {}).items()
        }
        return progress

    def to_state(self) -> dict[str, Any]:
        """Plain JSON: times in microseconds since the epoch."""
        self.recent, self._ended = self._recent_as_state(), SCHEMA.empty_table()
        return {
            "submitted_through": self.submitted_through,
            "rows": self.rows,
            "open": {arn: list(seen) for arn, seen in self.open.items()},
            "recent": {arn: list(seen) for arn, seen in self.recent.items()},
        }

    def plan(self, end: int | None = None) -> Plan:
        """The windows that bring this scope up to date, or up to `end`."""
        return plan_increment(
            self.submitted_through, self.rows, self.open.values(), self.lag_us, end
        )

    def advance(self, table: pa.Table) -> None:
        """Move the watermark over rows before which nothing is left to read; never back."""
        newest = pc.max(submit_microseconds(table)).as_py()
        if newest is not None:
            self.submitted_through = max(newest, self.submitted_through or newest)

    def changes(
        self,
        window: Window,
        table: pa.Table,
        settled_before: int | None = None,
        stored: Stored | None = None,
    ) -> Changes:
        """Take in the rows of a window that was read whole, ascending; give those to load.

        Rows submitted before `settled_before` count only if they are open, since the rest has
        been loaded. `stored` tells what the destination holds, where progress, which remembers
        open and recent invocations alone, cannot.
        """
        vanished = self._vanished(window, table)
        table = self._unsettled(table, settled_before)
        known = self._known(table, stored)
        table, changed = _without_unchanged(table, known)
        self._remember(table)
        for arn in vanished:
            del self.open[arn]
        return Changes(table, table.num_rows - changed, changed, vanished)

    def _vanished(self, window: Window, table: pa.Table) -> tuple[str, ...]:
        expected = [arn for arn, seen in self.open.items() if seen.submit_us in window]
        listed = set(_among(table, expected)["invocation_arn"].to_pylist())
        return tuple(arn for arn in expected if arn not in listed)

    def _unsettled(self, table: pa.Table, settled_before: int | None) -> pa.Table:
        if settled_before is None:
            return table
        is_recent = pc.greater_equal(submit_microseconds(table), settled_before)
        return table.filter(pc.or_(pc.fill_null(is_recent, True), _is_among(table, self.open)))

    def _known(self, table: pa.Table, stored: Stored | None) -> Mapping[str, str]:
        if stored:
            return stored(table)
        recent = {arn: seen.digest for arn, seen in self.recent.items()}
        return recent | {arn: seen.digest for arn, seen in self.open.items()}

    def _remember(self, table: pa.Table) -> None:
        is_tracked = pc.and_(is_open(table), pc.is_valid(table["submit_time"]))
        ranks = pc.add(pc.indices_nonzero(is_tracked), self.rows).to_pylist()
        self._remember_ended(table, pc.invert(is_tracked))
        self._remember_open(table.filter(is_tracked), ranks)
        self._remember_undated(table.filter(pc.is_null(table["submit_time"])))
        self.rows += table.num_rows

    def _remember_open(self, table: pa.Table, ranks: list[int]) -> None:
        for rank, (arn, submit_us, digest) in zip(ranks, _identities(table), strict=True):
            seen = self.open.get(arn)
            self.open[arn] = OpenInvocation(submit_us, seen.rank if seen else rank, digest)
            self.recent.pop(arn, None)

    def _remember_ended(self, table: pa.Table, has_ended: pa.ChunkedArray) -> None:
        """Keep those near the watermark; hashing waits until it is known which these are."""
        was_open = pc.and_(has_ended, _is_among(table, self.open))
        for arn in table.filter(was_open)["invocation_arn"].to_pylist():
            del self.open[arn]
        ended = pa.concat_tables(
            [self._ended, table.filter(pc.and_(has_ended, self._recent(table)))]
        )
        self._ended = ended.filter(self._recent(ended))

    def _remember_undated(self, table: pa.Table) -> None:
        """At once, since any window may list them again."""
        for arn, _, digest in _identities(table):
            self.recent[arn] = ClosedInvocation(None, digest)

    def _recent(self, table: pa.Table) -> pa.ChunkedArray:
        is_recent = pc.greater_equal(submit_microseconds(table), self._recent_from)
        return pc.fill_null(is_recent, False)

    @property
    def _recent_from(self) -> int:
        return (self.submitted_through or 0) - self.lag_us

    def _recent_as_state(self) -> dict[str, ClosedInvocation]:
        ended = {
            arn: ClosedInvocation(submit_us, digest)
            for arn, submit_us, digest in _identities(self._ended)
        }
        return {
            arn: seen
            for arn, seen in (self.recent | ended).items()
            if seen.submit_us is None or seen.submit_us >= self._recent_from
        }


def _identities(table: pa.Table) -> Iterator[tuple[str, int, str]]:
    return zip(
        table["invocation_arn"].to_pylist(),
        submit_microseconds(table).to_pylist(),
        digests(table),
        strict=True,
    )


def _is_among(table: pa.Table, arns: Iterable[str]) -> pa.ChunkedArray:
    return pc.is_in(table["invocation_arn"], pa.array(list(arns), pa.string()))


def _among(table: pa.Table, arns: Iterable[str]) -> pa.Table:
    return table.filter(_is_among(table, arns))


def _without_unchanged(table: pa.Table, known: Mapping[str, str]) -> tuple[pa.Table, int]:
    """The rows that are new or changed, and how many of them changed."""
    known_rows = pc.indices_nonzero(_is_among(table, known))
    listed = table.take(known_rows)
    arns = listed["invocation_arn"].to_pylist()
    unchanged = [
        row
        for row, arn, digest in zip(known_rows.to_pylist(), arns, digests(listed), strict=True)
        if known[arn] == digest
    ]
    if unchanged:
        is_unchanged = pc.is_in(pa.array(range(table.num_rows)), pa.array(unchanged))
        table = table.filter(pc.invert(is_unchanged))
    return table, len(known_rows) - len(unchanged)
