"""Progress of one scope: the watermark, and the invocations whose next reading matters.

`dlt.sources.incremental` is not used for this. Its cursor passes invocations that still run, and
gaps where a window failed; its boundary de-duplication drops re-read rows whose keys it has seen.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from .columns import TEXT
from .records import NO_ROWS, digests, is_open, submit_microseconds
from .windows import (
    EARLIEST_US,
    LATEST_US,
    UNRANKED,
    OpenInvocation,
    Plan,
    Window,
    plan_increment,
)

FORGIVEN_US: Final = 24 * 3600 * 1_000_000
"""Time for which an open invocation that is no longer listed is sought."""

PLAIN_STATE: Final = (
    "submitted_through",
    "rows",
    "recent_from",
    "scrubbed_through",
    "has_islands",
    "revision",
)
"""Fields of `Progress` that are JSON as they are."""

Stored = Callable[[pa.Table], Mapping[str, str]]
"""Digests by ARN of the table's rows that the destination holds."""


class ClosedInvocation(NamedTuple):
    """An ended invocation near the watermark, which the next run reads again."""

    submit_us: int | None
    digest: str


class Changes(NamedTuple):
    """The rows of a reading that are to be loaded."""

    table: pa.Table
    new: int
    changed: int
    vanished: tuple[str, ...]
    """ARNs of open invocations that the listing no longer has."""
    healed: pa.Table = NO_ROWS
    """Those that should have been loaded long ago; in `table`, but neither new nor changed."""
    late: pa.Table = NO_ROWS
    """Those of them that had not been stored."""


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
        """Ended ones submitted within the lag of the watermark, and those without submitTime."""
        self.recent_from: int | None = None
        """Start of the time from which `recent` is complete."""
        self.scrubbed_through: int | None = None
        """All before this was read again by this pass of the scrub; None at its start."""
        self.has_islands = False
        """True if a range was loaded that the watermark has not reached yet."""
        self.revision = 0
        """Grows with each run that changes it, so that the newer of two copies is known."""
        self.now_us = 0
        """The service's time, by which what has vanished is given up."""
        self.present_us = LATEST_US
        """A later submission is not credible: it is kept, but moves no watermark."""
        self._restored: Mapping[str, Any] = {}
        self._loaded: set[str] = set()
        """ARNs of this run's rows that the scrub may read again before they are stored."""
        self._ended = NO_ROWS
        self._ranked_after = LATEST_US
        self._expected: list[tuple[int, str]] | None = None

    @classmethod
    def from_state(cls, state: Mapping[str, Any], lag_us: int) -> "Progress":
        """Restore the result of `to_state`; an empty mapping is a scope never read."""
        progress = cls(lag_us)
        for name in PLAIN_STATE:
            setattr(progress, name, state.get(name, getattr(progress, name)))
        progress.open = {arn: OpenInvocation(*seen) for arn, seen in state.get("open", {}).items()}
        progress.recent = {
            arn: ClosedInvocation(*seen) for arn, seen in state.get("recent", {}).items()
        }
        progress._restored = state
        return progress

    def to_state(self) -> dict[str, Any]:
        """Plain JSON: times in microseconds since the epoch."""
        self._settle_ended()
        state = {name: getattr(self, name) for name in PLAIN_STATE} | {
            "open": {arn: list(seen) for arn, seen in self.open.items()},
            "recent": {arn: list(seen) for arn, seen in self.recent.items()},
        }
        return state if state == self._restored else state | {"revision": self.revision + 1}

    @property
    def open_invocations(self) -> int:
        """Number of invocations that are open and listed."""
        return sum(not seen.missing_since_us for seen in self.open.values())

    @property
    def settled_before(self) -> int | None:
        """Invocations submitted before this cannot become visible any more."""
        return None if self.submitted_through is None else self.submitted_through - self.lag_us

    @property
    def is_patchy(self) -> bool:
        """True if rows may be loaded that neither `open` nor `recent` has."""
        settled_before, recent_from = self.settled_before, self.recent_from
        is_lag_longer = (
            settled_before is not None and recent_from is not None and settled_before < recent_from
        )
        return self.has_islands or is_lag_longer

    def plan(self, end: int | None = None) -> Plan:
        """The windows that bring this scope up to date, or up to `end`."""
        return plan_increment(
            self.submitted_through, self.rows, self.open.values(), self.lag_us, end
        )

    def advance(self, table: pa.Table) -> None:
        """Move the watermark over rows before which nothing is left to read; never back.

        A row of the year 9999 does not count: it would hide all that is submitted until then.
        """
        submit = submit_microseconds(table)
        submit = submit.filter(pc.less_equal(submit, self.present_us))
        newest = pc.max(submit).as_py()
        if newest is None:
            return
        before = EARLIEST_US if self.submitted_through is None else self.submitted_through
        self.rows += pc.sum(pc.greater(submit, before)).as_py() or 0
        self.submitted_through = max(newest, before)
        self._ranked_after = before

    def changes(
        self,
        window: Window,
        table: pa.Table,
        settled_before: int | None = None,
        stored: Stored | None = None,
        *,
        heals: bool = False,
    ) -> Changes:
        """Add the rows of a window that was read whole, ascending; returns those to load.

        Rows submitted before `settled_before` count only if they are open, since the rest has
        been loaded. `stored` is for rows that may be neither open nor recent, which are all that
        progress has. With `heals`, every row counts, and is healed if it should have been loaded.
        """
        vanished = self._mark_missing(window, table)
        if not table.num_rows:
            # Most scopes of a large organization; the rest would take as long as for rows.
            return Changes(table, 0, 0, vanished)
        if heals:
            table = table.filter(pc.invert(_is_among(table, self._loaded)))
        is_tracked = pc.and_(is_open(table), pc.is_valid(table["submit_time"]))
        ranks = self._ranks(table, is_tracked)
        due = _arns(table.filter(self.is_due(table, settled_before))) if heals else set()
        if settled_before is not None and not heals:
            is_unsettled = self._is_unsettled(table, settled_before)
            table, is_tracked = table.filter(is_unsettled), is_tracked.filter(is_unsettled)
        known = stored(table) if stored and table.num_rows else self._known(table)
        if heals:
            # What is listed again after it was forgiven counts as changed.
            back = _arns(table.filter(is_tracked)) - self.open.keys() - due
            known = {arn: "" if arn in back else digest for arn, digest in known.items()}
        self._remember(table, is_tracked, ranks)
        if unchanged := _unchanged(table, known):
            table = table.filter(pc.invert(_is_among(table, unchanged)))
        healed = table.filter(pc.invert(_is_among(table, due))) if heals else NO_ROWS
        late = healed.filter(pc.invert(_is_among(healed, known)))
        changed = len(known) - len(unchanged) - (healed.num_rows - late.num_rows)
        new = table.num_rows - healed.num_rows - changed
        if settled_before is not None:
            submit = submit_microseconds(table)
            is_old = pc.fill_null(pc.less(submit, settled_before), True)
            self._loaded |= _arns(table.filter(is_old))
        return Changes(table, new, changed, vanished, healed, late)

    def is_due(self, table: pa.Table, settled_before: int | None) -> pa.Array:
        """True where an increment would load the row, going by what progress knows of it."""
        if settled_before is None:
            return pa.repeat(True, table.num_rows)
        is_unsettled = self._is_unsettled(table, settled_before)
        if self.is_patchy:
            return is_unsettled
        unchanged = _unchanged(table, self._known(table))
        return pc.and_(is_unsettled, pc.invert(_is_among(table, unchanged)))

    def finish(self) -> None:
        """End an increment that was read whole: all rows near the watermark are known."""
        self.has_islands = False
        self.recent_from = self.settled_before

    def _mark_missing(self, window: Window, table: pa.Table) -> tuple[str, ...]:
        """Open invocations that their window does not list: returned once, sought for a day."""
        expected = self._expected_in(window)
        listed = set(table["invocation_arn"].to_pylist()) if expected else set()
        vanished = []
        for arn in expected:
            if arn in listed or arn not in self.open:
                continue
            seen = self.open[arn]
            if not seen.missing_since_us:
                vanished.append(arn)
            # Clocks may have been set back since then.
            since_us = min(seen.missing_since_us or self.now_us, self.now_us)
            if self.now_us - since_us >= FORGIVEN_US:
                del self.open[arn]
            else:
                # Without its digest it counts as changed, should it be listed again.
                self.open[arn] = seen._replace(missing_since_us=since_us, digest="")
        return tuple(vanished)

    def _expected_in(self, window: Window) -> list[str]:
        """Invocations of the window that were open at the start: a run's windows are disjoint."""
        if self._expected is None:
            self._expected = sorted((seen.submit_us, arn) for arn, seen in self.open.items())
        first = 0 if window.start is None else bisect_left(self._expected, (window.start, ""))
        last = None if window.end is None else bisect_left(self._expected, (window.end, ""))
        return [arn for _, arn in self._expected[first:last]]

    def _is_unsettled(self, table: pa.Table, settled_before: int) -> pa.ChunkedArray:
        is_recent = pc.greater_equal(submit_microseconds(table), settled_before)
        return pc.or_(pc.fill_null(is_recent, True), _is_among(table, self.open))

    def _known(self, table: pa.Table) -> dict[str, str]:
        seen = self.recent | self.open
        arns = table.filter(_is_among(table, seen))["invocation_arn"].to_pylist()
        return {arn: seen[arn].digest for arn in arns}

    def _ranks(self, table: pa.Table, is_tracked: pa.ChunkedArray) -> dict[str, int]:
        """Ranks of open invocations that the watermark has just passed.

        The table's last row is the last of the rows so far. Any found elsewhere have no rank.
        """
        is_passed = pc.greater(submit_microseconds(table), self._ranked_after)
        is_ranked = pc.and_(is_tracked, is_passed)
        first = self.rows - table.num_rows
        positions = pc.indices_nonzero(is_ranked).to_pylist()
        arns = table["invocation_arn"].filter(is_ranked).to_pylist()
        return {arn: max(0, first + at) for arn, at in zip(arns, positions, strict=True)}

    def _remember(
        self, table: pa.Table, is_tracked: pa.ChunkedArray, ranks: Mapping[str, int]
    ) -> None:
        self._remember_ended(table, is_tracked)
        self._remember_open(table.filter(is_tracked), ranks)
        if table["submit_time"].null_count:
            self._remember_undated(table.filter(pc.is_null(table["submit_time"])))

    def _remember_open(self, table: pa.Table, ranks: Mapping[str, int]) -> None:
        for arn, submit_us, digest in _identities(table):
            seen = self.open.get(arn)
            rank = seen.rank if seen else ranks.get(arn, UNRANKED)
            self.open[arn] = OpenInvocation(submit_us, rank, digest)
            self.recent.pop(arn, None)

    def _remember_ended(self, table: pa.Table, is_tracked: pa.ChunkedArray) -> None:
        """Keep those near the watermark, and hash them when it has come to rest."""
        has_ended = pc.invert(is_tracked)
        was_open = pc.and_(has_ended, _is_among(table, self.open))
        for arn in table["invocation_arn"].filter(was_open).to_pylist():
            del self.open[arn]
        ended = table.filter(pc.and_(has_ended, self._is_recent(table)))
        still_recent = self._ended.filter(self._is_recent(self._ended))
        self._ended = pa.concat_tables([still_recent, ended])

    def _remember_undated(self, table: pa.Table) -> None:
        """Keep undated ones at once: any window may list them again."""
        for arn, _, digest in _identities(table):
            self.recent[arn] = ClosedInvocation(None, digest)

    def _is_recent(self, table: pa.Table) -> pa.Array:
        through = self.submitted_through
        if through is None or not table.num_rows:
            return pa.repeat(False, table.num_rows)
        submit = submit_microseconds(table)
        is_recent = pc.greater_equal(submit, through - self.lag_us)
        is_passed = pc.or_(pc.less_equal(submit, through), pc.greater(submit, self.present_us))
        return pc.fill_null(pc.and_(is_recent, is_passed), False)

    def _settle_ended(self) -> None:
        settled_before = self.settled_before
        if settled_before is None:
            return
        recent = self._ended.filter(self._is_recent(self._ended))
        for arn, submit_us, digest in _identities(recent):
            self.recent[arn] = ClosedInvocation(submit_us, digest)
        self._ended = NO_ROWS
        self.recent = {
            arn: seen
            for arn, seen in self.recent.items()
            if seen.submit_us is None or seen.submit_us >= settled_before
        }
        self.recent_from = max(settled_before, self.recent_from or settled_before)


def _identities(table: pa.Table) -> Iterator[tuple[str, int, str]]:
    return zip(
        table["invocation_arn"].to_pylist(),
        submit_microseconds(table).to_pylist(),
        digests(table),
        strict=True,
    )


def _is_among(table: pa.Table, arns: Collection[str]) -> pa.Array:
    if not arns:
        return pa.repeat(False, table.num_rows)
    return pc.is_in(table["invocation_arn"], pa.array(list(arns), TEXT))


def _arns(table: pa.Table) -> set[str]:
    return set(table["invocation_arn"].to_pylist())


def _unchanged(table: pa.Table, known: Mapping[str, str]) -> set[str]:
    """ARNs of the rows whose digests are known."""
    listed = table.filter(_is_among(table, known))
    arns = listed["invocation_arn"].to_pylist()
    return {arn for arn, digest in zip(arns, digests(listed), strict=True) if known[arn] == digest}
