"""A digest: what changed in a day or a week, and what was looked at to find it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb

from bedrock_async_etl.check.changes import (
    ENOUGH,
    UNLIMITED,
    Change,
    find_changes,
    find_scopes,
)
from bedrock_async_etl.check.facts import read_facts
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.formatting import format_count, format_time
from bedrock_async_etl.options import Period
from bedrock_async_etl.status import read_rows

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
PERIODS: Final[Mapping[Period, tuple[timedelta, timedelta, str]]] = {
    "1d": (DAY, HOUR, "24 hours"),
    "7d": (7 * DAY, DAY, "7 days"),
}
"""By period: its length, that of its parts, each taken to have one cause, and its name."""
LOOKED_AT: Final = """
with by_model as (
    select
        count(*) filter (where submit_time >= $since) as invocations,
        count(*) filter (where submit_time < $since) as invocations_before,
        count(*) filter (where is_terminal and submit_time >= $since) as terminal,
        count(*) filter (where is_terminal and submit_time < $since) as terminal_before
    from bedrock_analytics.invocations
    where submit_time >= $before and submit_time < $until
    group by coalesce(model_id, model_arn)
)

select
    coalesce(sum(invocations), 0)::bigint as invocations,
    count(*) filter (where invocations > 0) as models,
    coalesce(sum(invocations_before), 0)::bigint as invocations_before,
    count(*) filter (where least(terminal, terminal_before) >= $enough) as compared
from by_model
"""


@dataclass(frozen=True)
class Digest:
    """The changes of a period, and what was looked at to find them."""

    destination: str
    period: Period
    since: datetime | None
    until: datetime | None
    """The period is [since, until), up to the newest successful run that the models know."""
    scopes: int
    changes: Sequence[Change]
    invocations: int = 0
    models: int = 0
    invocations_before: int = 0
    compared: int = 0
    """Models with `ENOUGH` finished invocations in each period."""

    @property
    def title(self) -> str:
        number = format_count(len(self.changes), "change") if self.changes else "nothing changed"
        length = PERIODS[self.period][2]
        return (
            f"bedrock-async-etl digest: {number} in the {length} to "
            f"{format_time(self.until)} UTC in {self.destination}"
        )

    @property
    def looked_at(self) -> str:
        """The sentence about what was looked at."""
        if self.since is None:
            return "No run has succeeded yet, so nothing could be looked at."
        length = PERIODS[self.period][2]
        return (
            f"Looked at {format_count(self.invocations, 'invocation')} of "
            f"{format_count(self.models, 'model')} in {format_count(self.scopes, 'scope')}, "
            f"submitted from {format_time(self.since)} to {format_time(self.until)} UTC, and at "
            f"{self.invocations_before:,} of the {length} before. {self.compared:,} of the models "
            "had enough in both to compare."
        )


def read_digest(destination: Destination, period: Period, now: datetime | None = None) -> Digest:
    """The digest of a period; `now` is by this machine's clock.

    Raises `CommandError` where nothing was loaded yet, or models are not built.
    """
    length, part, _ = PERIODS[period]
    window = replace(UNLIMITED, window=length)
    try:
        with destination.snapshot() as connection:
            facts = read_facts(connection, str(destination), window, now or datetime.now(UTC))
            times, scopes = (facts.since, facts.until), len(facts.runs)
            found = Digest(str(destination), period, *times, scopes, [*find_scopes(facts)])
            if not facts.since:
                return found
            before = replace(facts, since=facts.since - length, until=facts.since)
            changes = [*found.changes, *find_changes(facts, before, part)]
            periods = {"before": before.since, "since": facts.since, "until": facts.until}
            [looked_at] = read_rows(connection, LOOKED_AT, enough=ENOUGH, **periods)
            return replace(found, changes=changes, **looked_at)
    except duckdb.Error as error:
        raise CommandError(destination.explain(error)) from error
