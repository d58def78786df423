"""Is the copy fresh, is it whole, what is stuck: what was loaded and modelled, at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import duckdb

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.scope_status import Row, read_model, read_scopes

WORST: Final = """
select
    invocation_arn,
    account_id,
    region,
    model_id,
    submit_time,
    age_seconds,
    typical_p99,
    is_stuck,
    is_vanished,
    output_s3_uri,
from bedrock_analytics.open_invocations
where is_stuck or is_vanished or typical_p99 is null
order by is_vanished, is_stuck desc, age_seconds / typical_p99 desc nulls last, age_seconds desc
limit 5
"""
"""Open invocations that take the longest beside what is usual; those that vanished come last."""
COUNTS: Final = """
select
    count(*) as open,
    count(*) filter (where is_stuck) as stuck,
    count(*) filter (where is_vanished) as vanished,
from bedrock_analytics.open_invocations
"""
MODELLED: Final = "select max(last_success_at) as at from bedrock_analytics.scopes"

SCOPE_KEYS: Final = (
    "account_id",
    "region",
    "last_success_at",
    "last_success_age_seconds",
    "last_outcome",
    "submitted_through",
    "open_invocations",
    "last_error",
    "quarantined",
    "quarantine_reason",
)


@dataclass(frozen=True)
class Status:
    """How a destination stands."""

    destination: str
    working_directory: str
    """dlt's, for `dlt pipeline --pipelines-dir`."""
    scopes: Sequence[Row]
    modelled_at: datetime | None
    """The newest good run that the models know of; None where they were not built."""
    counts: Row
    """Open invocations, and of these stuck and vanished ones; None for what only models tell."""
    worst: Sequence[Row]

    @property
    def failed(self) -> list[Row]:
        """Scopes whose newest run failed."""
        return [scope for scope in self.scopes if scope["last_outcome"] != "ok"]

    @property
    def never_read(self) -> list[Row]:
        """Scopes that no run has read whole."""
        return [scope for scope in self.scopes if scope["last_success_at"] is None]

    @property
    def quarantined(self) -> list[Row]:
        """Scopes whose newest run was given rows of another account or region."""
        return [scope for scope in self.scopes if scope["quarantined"]]

    @property
    def newest_age(self) -> float | None:
        """Seconds since the newest good run."""
        return min(self._ages(), default=None)

    @property
    def oldest_age(self) -> float | None:
        """Seconds since the last good run of the scope where that is longest ago."""
        return max(self._ages(), default=None)

    @property
    def are_models_behind(self) -> bool:
        """Whether a good run came after they were built."""
        good = (scope["last_success_at"] for scope in self.scopes)
        modelled_at = self.modelled_at
        return modelled_at is not None and any(at and at > modelled_at for at in good)

    def as_json(self) -> dict[str, Any]:
        """The document that `status --json` prints."""
        return {
            "destination": self.destination,
            "working_directory": self.working_directory,
            "fresh": {
                "newest_success_age_seconds": self.newest_age,
                "oldest_success_age_seconds": self.oldest_age,
                "never_read": len(self.never_read),
            },
            "whole": {
                "scopes": len(self.scopes),
                "failed": len(self.failed),
                "quarantined": sum(scope["quarantined"] for scope in self.quarantined),
            },
            "stuck": {
                **self.counts,
                "modelled_at": self.modelled_at,
                "are_models_behind": self.are_models_behind,
                "worst": self.worst,
            },
            "scopes": [{key: scope[key] for key in SCOPE_KEYS} for scope in self.scopes],
            "exit_code": 0,
        }

    def _ages(self) -> list[float]:
        ages = (scope["last_success_age_seconds"] for scope in self.scopes)
        return [age for age in ages if age is not None]


def read_status(destination: Destination, now: datetime) -> Status:
    """How a destination stands; raises `CommandError` where it has no runs or cannot be read."""
    try:
        with destination.connection() as connection:
            scopes = read_scopes(connection)
            worst = read_model(connection, WORST)
            counts = read_model(connection, COUNTS)
            modelled = read_model(connection, MODELLED)
    except duckdb.CatalogException:
        raise CommandError(f"{destination} has no runs yet: load it first with `run`.") from None
    except duckdb.Error as error:
        raise CommandError(destination.explain(error)) from error
    for scope in scopes:
        scope["last_success_age_seconds"] = _age(scope, now)
    return Status(
        destination=str(destination),
        working_directory=str(destination.working_directory),
        scopes=scopes,
        modelled_at=modelled[0]["at"] if modelled and counts else None,
        counts=counts[0] if counts else _counts(scopes),
        worst=worst or [],
    )


def _age(scope: Row, now: datetime) -> float | None:
    """Seconds since a scope was last read whole, both by this machine's clock.

    Runs are dated by the service's clock, and this machine's may be off; a row that dlt did not
    load has no other date.
    """
    at = scope["last_success_loaded_at"] or scope["last_success_at"]
    return None if at is None else max(0.0, (now - at).total_seconds())


def _counts(scopes: Sequence[Row]) -> Row:
    """What is known without models."""
    number = sum(scope["open_invocations"] for scope in scopes)
    return {"open": number, "stuck": None, "vanished": None}
