"""The state of a copy: fresh, whole and exact; stuck or failing; and each scope's newest run."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

import duckdb

from bedrock_async_etl.destinations import STALE_AFTER, Destination
from bedrock_async_etl.errors import CommandError
from bedrock_async_invokes.columns import EXTRACT_RUNS, ScopeReport, no_rows
from bedrock_async_invokes.options import LoadOptions

SCOPES: Final = """
with runs as (
    from (from bedrock.extract_runs union all by name from no_runs)
    select
        *,
        not coalesce(is_range, false) as is_whole,
        -- dlt names a load after this machine's clock; runs are dated by the service's, but for
        -- those that failed before they reached it.
        case when try_cast(_dlt_load_id as double) > 1e9 then cast(_dlt_load_id as double) end
            as loaded_at_seconds
    where account_id is distinct from 'unknown'  -- Older versions had runs without an account.
)

select
    max(finished_at) filter (where outcome = 'ok' and is_whole) as last_success_at,
    to_timestamp(max(loaded_at_seconds) filter (where outcome = 'ok' and is_whole))
        as last_success_loaded_at,
    coalesce(max(max(loaded_at_seconds)) over () - max(loaded_at_seconds), 0) as unread_seconds,
    max_by(
        runs, {'is_whole': is_whole, 'finished_at': finished_at, 'load_id': _dlt_load_id}
    ) as newest,
from runs
group by account_id, region
order by account_id, region
"""
"""One row per scope that was ever run; `no_runs` has the columns that an older version lacks."""
SCRUBS: Final = """
with runs as (
    from (from bedrock.extract_runs union all by name from no_runs)
    select *, finished_at >= max(finished_at) over () - interval 7 days as is_recent
),
passes as (
    select
        account_id,
        region,
        avg(rows_scrubbed) as rows_per_run,
        date_diff('second', min(finished_at), max(finished_at)) / nullif(count(*) - 1, 0)
            as seconds_per_run,
    from (
        from runs
        where is_recent and scrubbed_through is not null
        qualify row_number() over (partition by account_id, region order by finished_at desc) <= 20
    )
    group by account_id, region
),
healed as (
    select
        account_id,
        region,
        coalesce(sum(rows_healed) filter (where is_recent), 0)::bigint as rows_healed,
        coalesce(sum(rows_late) filter (where is_recent), 0)::bigint as rows_late,
        max(late_seconds) filter (where is_recent) as late_seconds,
    from runs
    group by account_id, region
),
sizes as (
    {sizes}
)

select
    account_id,
    region,
    rows_healed,
    rows_late,
    late_seconds,
    -- A pass begins with the newest rows, which a run more may have to wait for.
    ceil(coalesce(rows, 0) / greatest(coalesce(rows_per_run, $rows_per_run), 1))::bigint + 1
        as scrub_runs,
    scrub_runs * seconds_per_run as scrub_seconds,
from healed
left join passes using (account_id, region)
left join sizes using (account_id, region)
"""
"""Of each scope: what the scrub healed in a week, and the runs in which it reads all rows again."""
LOADED_SIZES: Final = """
    select account_id, region, count(*) as rows
    from bedrock.async_invokes
    group by account_id, region
"""
MODELLED_SIZES: Final = """
    select account_id, region, sum(invocations) as rows
    from bedrock_analytics.scope_days
    group by account_id, region
"""
"""The same where the models are up to date; the other would read all rows of a lake."""
PAGE_ROWS: Final = 1_000
"""Rows that one call reads again at most."""
UNREAD_AFTER: Final = timedelta(days=1)
RETIRE_AFTER: Final = timedelta(days=7)
"""Times without a run of a scope, while others run, until it counts as unread, and as retired."""
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
    count(*) over () as number,
from bedrock_analytics.open_invocations
where is_stuck or is_vanished or typical_p99 is null
order by is_vanished, is_stuck desc, age_seconds / typical_p99 desc nulls last, age_seconds desc
limit 5
"""
"""Open invocations that take longest compared with their model; vanished ones come last.

Each has the number of all.
"""
COUNTS: Final = """
select
    count(*) filter (where not is_vanished) as open,
    count(*) filter (where is_stuck) as stuck,
    count(*) filter (where is_stuck is null) as unknown,
    count(*) filter (where is_vanished) as vanished,
from bedrock_analytics.open_invocations
"""
INCONCLUSIVE: Final = """
select model_id, open_invocations, stuck_unknown, is_stalled
from bedrock_analytics.model_summary
where stuck_unknown > 0 or is_stalled
order by is_stalled desc, open_invocations desc, model_id
"""
"""Models whose stuck invocations are unknown, or of which nothing ends."""
OPEN_INCIDENTS: Final = """
select * replace (coalesce(model_id, 'unknown') as model_id)
from bedrock_analytics.incidents
where ended_at is null
order by excess_failed desc, model_id
"""
UNKNOWN_COUNTS: Final = dict.fromkeys(("stuck", "unknown", "vanished"))
MODELLED: Final = "select max(last_success_at) as at from bedrock_analytics.scopes"

DEFAULTS: Final = {each.name: each.default for each in fields(ScopeReport)}
RENAMED: Final = {"finished_at": "last_run_at", "outcome": "last_outcome", "error": "last_error"}
"""Columns of `extract_runs` that have another name in the row of a scope."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Status:
    """The state of a destination."""

    destination: str
    working_directory: str
    """dlt's, for `dlt pipeline --pipelines-dir`."""
    scopes: Sequence[Row]
    modelled_at: datetime | None
    """The newest good run that the models know of; None where they were not built."""
    counts: Row
    """Invocations that are `open`; `stuck`; `unknown`, for want of a typical latency; `vanished`.
    None for what only the models know."""
    worst: Sequence[Row]
    """The longest of those that are stuck, unknown or vanished."""
    retired: Sequence[Row]
    """Scopes that count nowhere, since no run has asked for them in `RETIRE_AFTER`."""
    inconclusive: Sequence[Row] = ()
    """Models whose stuck invocations are unknown, or of which nothing ends."""
    worst_number: int = 0
    """The number of those that are stuck, unknown or vanished, of which `worst` has some."""
    incidents: Sequence[Row] | None = None
    """Incidents that have not ended; None where the models lack them."""

    @property
    def is_fresh(self) -> bool:
        """True where each scope was read in `STALE_AFTER`."""
        return bool(self.scopes) and not self.never_read and not self.stale

    @property
    def is_whole(self) -> bool:
        """True where each scope was read to its end by its newest run."""
        return bool(self.scopes) and not self.never_read and not self.failed

    @property
    def is_exact(self) -> bool | None:
        """False where rows had to be healed in the last week; None where nothing looks for them."""
        return None if self.worst_of("scrub_runs") is None else not self.rows_healed

    @property
    def is_stuck(self) -> bool | None:
        """True where an invocation is stuck, or nothing of a model ends; None where unknown."""
        if self.counts["stuck"] or any(model["is_stalled"] for model in self.inconclusive):
            return True
        is_unknown = self.counts["stuck"] is None or self.counts["unknown"] or self.are_models_stale
        return None if is_unknown else False

    @property
    def is_failing(self) -> bool | None:
        """True where an incident has not ended; None where the models lack them."""
        if self.incidents:
            return True
        return None if self.incidents is None or self.are_models_stale else False

    @property
    def is_good(self) -> bool:
        """True where no answer is known to be a bad one."""
        is_right = self.is_fresh and self.is_whole and self.is_exact is not False
        return is_right and not self.is_stuck and not self.is_failing

    @property
    def failed(self) -> list[Row]:
        """Scopes whose newest run failed."""
        return [scope for scope in self.scopes if scope["last_outcome"] == "failed"]

    @property
    def never_read(self) -> list[Row]:
        """Scopes without a successful run."""
        return [scope for scope in self.scopes if scope["last_success_at"] is None]

    @property
    def stale(self) -> list[Row]:
        """Scopes whose last successful run was longer ago than `STALE_AFTER`."""
        return [
            scope
            for scope in self.scopes
            if (scope["last_success_age_seconds"] or 0) > STALE_AFTER.total_seconds()
        ]

    @property
    def remedy(self) -> str | None:
        """Remedy for the first scope that was never read or is stale; None without any."""
        late = [*self.never_read, *self.stale]
        return late_remedy(late[0]) if late else None

    @property
    def rows_healed(self) -> int:
        """Rows that the scrub had to heal in the last week."""
        return sum(scope["rows_healed"] for scope in self.scopes)

    @property
    def unread(self) -> list[Row]:
        """Scopes that no run asks for any more, though others run."""
        return [scope for scope in self.scopes if scope["is_unread"]]

    @property
    def quarantined(self) -> list[Row]:
        """Scopes whose newest run received rows of another account or region."""
        return [scope for scope in self.scopes if scope["quarantined"]]

    @property
    def newest_age(self) -> float | None:
        """Seconds since the newest successful run."""
        return min(self._ages(), default=None)

    @property
    def oldest_age(self) -> float | None:
        """Seconds since the last successful run of the scope that has waited longest for one."""
        return max(self._ages(), default=None)

    def worst_of(self, name: str) -> Any:
        """The largest value that a scope has; None where it is unknown of all."""
        return max((scope[name] for scope in self.scopes if scope[name] is not None), default=None)

    @property
    def are_models_behind(self) -> bool:
        """True where a successful run is newer than the models."""
        return self.modelled_at is not None and _is_behind(self.modelled_at, self.scopes)

    @property
    def are_models_stale(self) -> bool:
        """True where the models are more than `STALE_AFTER` older than a successful run."""
        limit = self.modelled_at and self.modelled_at + STALE_AFTER
        return limit is not None and _is_behind(limit, self.scopes)

    def as_json(self) -> dict[str, Any]:
        """The document that `status --json` prints."""
        return {
            "destination": self.destination,
            "working_directory": self.working_directory,
            "answers": {
                "is_fresh": self.is_fresh,
                "is_whole": self.is_whole,
                "is_exact": self.is_exact,
                "is_stuck": self.is_stuck,
                "is_failing": self.is_failing,
            },
            "fresh": {
                "newest_success_age_seconds": self.newest_age,
                "oldest_success_age_seconds": self.oldest_age,
                "never_read": len(self.never_read),
            },
            "whole": {
                "scopes": len(self.scopes),
                "failed": len(self.failed),
                "unread": len(self.unread),
                "quarantined": sum(scope["quarantined"] for scope in self.quarantined),
            },
            "exact": {
                "scrub_runs": self.worst_of("scrub_runs"),
                "scrub_seconds": self.worst_of("scrub_seconds"),
                "rows_healed": self.rows_healed,
                "rows_late": sum(scope["rows_late"] for scope in self.scopes),
                "late_seconds": self.worst_of("late_seconds"),
            },
            "stuck": {
                **self.counts,
                "modelled_at": self.modelled_at,
                "are_models_behind": self.are_models_behind,
                "inconclusive": self.inconclusive,
                "worst": self.worst,
                "worst_number": self.worst_number,
            },
            "incidents": self.incidents,
            "scopes": self.scopes,
            "retired": self.retired,
        }

    def _ages(self) -> list[float]:
        ages = (scope["last_success_age_seconds"] for scope in self.scopes)
        return [age for age in ages if age is not None]


def read_status(
    destination: Destination, now: datetime, scrub_calls: int = LoadOptions.scrub_calls
) -> Status:
    """The state of a destination that runs scrub with so many calls.

    Raises `CommandError` where it has no runs or is unreadable.
    """
    try:
        with destination.connection() as connection:
            every = read_scopes(connection, retired=True)
            worst = read_model(connection, WORST) or []
            counts = read_model(connection, COUNTS)
            inconclusive = read_model(connection, INCONCLUSIVE)
            incidents = read_model(connection, OPEN_INCIDENTS)
            modelled = read_model(connection, MODELLED)
            modelled_at = modelled[0]["at"] if modelled and counts else None
            is_current = modelled_at is not None and not _is_behind(modelled_at, every)
            scrubs = _read_scrubs(connection, scrub_calls, is_modelled=is_current)
    except duckdb.CatalogException:
        raise CommandError(f"{destination} has no runs yet: load it first with `run`.") from None
    except duckdb.Error as error:
        raise CommandError(destination.explain(error)) from error
    for scope in every:
        scope |= scrubs[scope["account_id"], scope["region"]]
        # Runs are dated by the service's clock, and this machine's may be off; a row that dlt did
        # not load has no other date.
        at = scope["last_success_loaded_at"] or scope["last_success_at"]
        scope["last_success_age_seconds"] = at and max(0.0, (now - at).total_seconds())
    scopes = [scope for scope in every if not scope["is_retired"]]
    number = sum(scope["open_invocations"] for scope in scopes)
    return Status(
        destination=str(destination),
        working_directory=str(destination.working_directory),
        scopes=scopes,
        modelled_at=modelled_at,
        counts=counts[0] if counts else {"open": number} | UNKNOWN_COUNTS,
        worst=[{key: value for key, value in row.items() if key != "number"} for row in worst],
        worst_number=worst[0]["number"] if worst else 0,
        retired=[scope for scope in every if scope["is_retired"]],
        inconclusive=inconclusive or [],
        incidents=incidents,
    )


def read_scopes(connection: duckdb.DuckDBPyConnection, *, retired: bool = False) -> list[Row]:
    """One row per scope: its newest run as `extract_runs` has it, and its last successful one.

    Runs of a range alone count for neither. Retired scopes are left out unless they are asked for.
    Raises `duckdb.CatalogException` where there are no runs yet.
    """
    connection.register("no_runs", no_rows(EXTRACT_RUNS.stored_schema))
    scopes = read_rows(connection, SCOPES)
    for scope in scopes:
        unread_for = timedelta(seconds=scope.pop("unread_seconds"))
        scope["is_unread"] = unread_for > UNREAD_AFTER
        scope["is_retired"] = unread_for > RETIRE_AFTER
        newest = scope.pop("newest")
        for name, default in DEFAULTS.items():
            # Older versions had no value for some columns.
            value = default if newest[name] is None else newest[name]
            scope[RENAMED.get(name, name)] = value
        if scope["is_range"]:
            scope["last_outcome"] = None
    return [scope for scope in scopes if retired or not scope["is_retired"]]


def late_remedy(scope: Row) -> str:
    """Remedy for a scope whose last successful run is long ago, or that has none."""
    if scope["is_unread"]:
        return "name its account and region to `run` again, or let it be retired after a week"
    if scope["last_outcome"] == "failed":
        return "fix the error, and `run`"
    if scope["last_success_at"] is None:
        return "`run` without --since and --until"
    return "see why `run` is no longer started (cron, systemd, Airflow)"


def _is_behind(modelled_at: datetime, scopes: Sequence[Row]) -> bool:
    """True where a successful run is newer than the models."""
    good = (scope["last_success_at"] for scope in scopes)
    return any(at and at > modelled_at for at in good)


def _read_scrubs(
    connection: duckdb.DuckDBPyConnection, calls: int, *, is_modelled: bool
) -> dict[tuple[str, str], Row]:
    """By scope; without calls, no numbers of the runs in which all is read again."""
    unknown = {"scrub_runs": None, "scrub_seconds": None} if not calls else {}
    values = {"rows_per_run": PAGE_ROWS * max(1, calls)}
    rows = None
    if is_modelled:
        rows = read_model(connection, SCRUBS.format(sizes=MODELLED_SIZES), **values)
    if rows is None:
        rows = read_rows(connection, SCRUBS.format(sizes=LOADED_SIZES), **values)
    return {(row["account_id"], row["region"]): row | unknown for row in rows}


def read_model(
    connection: duckdb.DuckDBPyConnection, query: str, **values: Any
) -> list[Row] | None:
    """The rows of a query over the models; None where they were not built, or are others."""
    try:
        return read_rows(connection, query, **values)
    except (duckdb.CatalogException, duckdb.BinderException):
        return None


def read_rows(connection: duckdb.DuckDBPyConnection, query: str, **values: Any) -> list[Row]:
    """The rows of a query with named parameters."""
    result = connection.execute(query, values)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
