"""What a copy must hold after a run, told from what it held before and what is listed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.load.verification import ScopeComparison
from bedrock_async_invokes.columns import ScopeReport
from tests.copies import Row, rows_so_far
from tests.plain_rows import COMPARED

SUBMITTED: Final = COMPARED.index("submit_time")
MODIFIED: Final = COMPARED.index("last_modified_time")
STATUS: Final = COMPARED.index("status")

Rows = Mapping[str, Row]
"""By ARN."""


@dataclass(frozen=True)
class Range:
    """From one submitTime up to another that is not in it."""

    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, row: Row) -> bool:
        since, until = self.since or EARLIEST, self.until or LATEST
        return bool(since <= row[SUBMITTED] < until)

    @property
    def is_all(self) -> bool:
        return self.since is None and self.until is None


EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
LATEST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Around:
    """What a copy held before and after a run, and what was listed before and after it."""

    before: Rows
    after: Rows
    listed_first: Rows
    listed_last: Rows
    ever_listed: Mapping[str, set[Row]]

    def of(self, scope: ScopeReport | ScopeComparison) -> "Around":
        """The same of one scope."""
        key = (scope.account_id, scope.region)
        return Around(*(_of(rows, key) for rows in vars(self).values()))


def held(destination: Destination) -> Rows:
    """What a copy holds so far: each invocation once."""
    rows = rows_so_far(destination)
    by_arn = {row[0]: row for row in rows}
    assert len(by_arn) == len(rows), "rows are doubled"
    return by_arn


def assert_nothing_is_lost(around: Around) -> None:
    """Whatever came of a run: no row is gone, made up or older than it was."""
    lost = around.before.keys() - around.after.keys()
    assert not lost, f"lost: {lost}"
    for arn, row in around.after.items():
        assert row in around.ever_listed[arn], f"never listed: {row}"
        if arn in around.before:
            assert row[MODIFIED] >= around.before[arn][MODIFIED], f"older than before: {row}"


def assert_exact(around: Around, span: Range, *, is_recovered: bool) -> None:
    """All in the range is as it is listed; all else is as it was.

    What a killed run had left, and this one recovered, may have been listed at that time.
    """
    for arn, row in around.listed_first.items():
        if row in span:
            allowed = (row, around.listed_last.get(arn))
            assert around.after.get(arn) in allowed, f"{around.after.get(arn)} is listed as {row}"
    for arn, row in around.after.items():
        is_asked_for = row in span and (arn in around.listed_first or arn in around.listed_last)
        if not is_asked_for and not is_recovered:
            assert around.before.get(arn) == row, f"{row} was {around.before.get(arn)}"


def assert_changes_only(around: Around, span: Range, scope: ScopeReport) -> None:
    """What was written is what was not there as it is listed."""
    listed = {arn: row for arn, row in around.listed_first.items() if row in span}
    new = listed.keys() - around.before.keys()
    changed = {arn for arn in listed.keys() - new if around.before[arn] != listed[arn]}
    found, told = (len(new), len(changed)), (scope.rows_new, scope.rows_changed)
    assert told == found, f"{told} new and changed were told, {found} were: {new} {changed}"


def assert_vanished(around: Around, told: set[str]) -> None:
    """Told are the invocations that were running when they were listed last."""
    running = {arn for arn, row in around.after.items() if row[STATUS] == "InProgress"}
    assert told & around.after.keys() == running - around.listed_last.keys()


def assert_verified(around: Around, scope: ScopeComparison) -> None:
    """It counts what is not as it is listed, all of which the next run loads."""
    told = (scope.listed, scope.equal, scope.due, scope.gone + scope.expired)
    listed, copied = around.listed_first, around.after
    equal = sum(copied.get(arn) == row for arn, row in listed.items())
    only_here = len(copied.keys() - listed.keys())
    assert told == (len(listed), equal, len(listed) - equal, only_here)
    assert scope.missing == scope.different == 0


def assert_few_calls(around: Around, scope: ScopeReport) -> None:
    """A few for the run, one for each invocation that was open, and the pages of what is read."""
    running = sum(row[STATUS] == "InProgress" for row in around.before.values())
    calls, most = scope.calls - scope.throttled, 6 + running + scope.rows_read + scope.pages // 2
    assert calls <= most, f"{calls} calls for {scope.rows_read} rows"


def told_as_vanished(destination: Destination) -> set[str]:
    """ARNs in `vanished_invokes`: each once."""
    with destination.connection() as connection:
        rows = connection.sql("from bedrock.vanished_invokes").select("invocation_arn").fetchall()
    assert len(rows) == len(set(rows)), "told twice as vanished"
    return {arn for (arn,) in rows}


def _of(rows: Mapping[str, Any], scope: tuple[str, str]) -> Mapping[str, Any]:
    return {arn: row for arn, row in rows.items() if tuple(arn.split(":")[4:2:-1]) == scope}
