"""The listing compared with the copy, row by row and column by column; a repair is a load."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal, get_args

import duckdb
import pyarrow as pa

from bedrock_async_etl.configuration import configured_options
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.load import RunResult, load, one_line_errors
from bedrock_async_invokes import Extraction, RunContext
from bedrock_async_invokes.columns import ASYNC_INVOKES, ScopeReport, no_rows
from bedrock_async_invokes.options import LoadOptions
from bedrock_async_invokes.run import IS_DUE, Observer
from bedrock_async_invokes.windows import PAGE_SIZE, Window, to_time

MAX_NAMED: Final = 1_000
"""Rows that are named; all are counted."""
COMPARED: Final = [each.name for each in ASYNC_INVOKES.columns if each.name != "observed_at"]
State = Literal["missing", "different", "due", "gone", "expired"]
"""State of an unequal row.

`missing` and `different` are drift; `due` is what the next run loads, as it is new or has changed
since the last. What is only in the copy is `expired` where it is older than all that is listed, and
else `gone`.
"""
STATES: Final = get_args(State)

SETTINGS: Final = "set memory_limit = '256MB'; set preserve_insertion_order = false"
MAKE: Final = "create temp table listed as select *, {digest} as digest from batch"
ADD: Final = "insert into listed select *, {digest} from batch"
LEAVE_OUT_FAILED: Final = """
delete from listed where account_id || '/' || region in $scopes is not true
"""
"""A scope that fails may have handed out rows before. Without an account, a row is in no scope."""
ONE_OF_EACH: Final = """
delete from listed
where submit_time is null and rowid not in (
    select min(rowid) from listed where submit_time is null group by invocation_arn
)
"""
"""Rows without submitTime are listed in every window."""
UNEQUAL: Final = """
create temp table unequal as
with stored as (
    select invocation_arn, {digest} as digest
    from bedrock.async_invokes
),
repeated as (
    select invocation_arn from stored group by all having count(*) > 1
)
select distinct invocation_arn, invocation_arn in (from repeated) as is_repeated
from (select invocation_arn, digest from listed) as listed
full join stored using (invocation_arn)
where listed.digest is distinct from stored.digest or invocation_arn in (from repeated)
"""
"""Digests are compared first, since they fit memory."""
DIFFERENCES: Final = """
create temp table differences as
with oldest as (
    select account_id, region, min(submit_time) as submit_time from listed group by all
),
pairs as (
    select
        listed.digest is not null as is_listed,
        stored.model_arn is not null as is_stored,
        invocation_arn,
        coalesce(listed.account_id, stored.account_id) as account_id,
        coalesce(listed.region, stored.region) as region,
        coalesce(listed.submit_time, stored.submit_time) as submit_time,
        is_due,
        list_filter(
            [{unequal_columns}, if(is_repeated, 'stored twice', null)],
            lambda name: name is not null
        ) as columns
    from unequal
    left join listed using (invocation_arn)
    left join bedrock.async_invokes as stored using (invocation_arn)
)
select distinct on (invocation_arn)
    case
        when is_due then 'due'
        when is_listed and is_stored then 'different'
        when is_listed then 'missing'
        when pairs.submit_time >= oldest.submit_time then 'gone'
        else 'expired'
    end as state,
    account_id,
    region,
    invocation_arn,
    pairs.submit_time,
    if(is_listed and is_stored, columns, []) as columns
from pairs
left join oldest using (account_id, region)
where
    is_listed
    or (
        account_id || '/' || region in $scopes
        and coalesce(pairs.submit_time >= $since, true)
        and coalesce(pairs.submit_time < $until, true)
    )
order by invocation_arn, len(columns) desc
"""
LISTED: Final = "select account_id || '/' || region, count(*) from listed group by all"
COUNTED: Final = """
select account_id || '/' || region, state, count(*) from differences group by all
"""
BY_COLUMN: Final = """
select name, count(*)
from (select unnest(columns) as name from differences where state = 'different')
group by all
order by all
"""
NAMED: Final = """
from differences
where state in ('missing', 'different')
order by account_id, region, submit_time, invocation_arn
limit {max_named}
"""
DRIFTED: Final = """
with ranked as (
    select
        invocation_arn,
        account_id || '/' || region as scope,
        epoch_us(submit_time) as submit_us,
        row_number() over (partition by account_id, region order by submit_time) as rank
    from listed
    where submit_time is not null
),
drifted as (
    select
        *,
        rank - lag(rank, 1, rank) over (partition by scope order by rank) > {half_page}
            as is_apart
    from ranked
    where invocation_arn in (
        select invocation_arn from differences where state in ('missing', 'different')
    )
),
grouped as (
    select *, count_if(is_apart) over (partition by scope order by rank) as number
    from drifted
)
select scope, min(submit_us), max(submit_us)
from grouped
group by scope, number
order by all
"""
"""Windows that a repair reads: rows with at most half a page between them share one."""
PARTS: Final = {
    "digest": f"hash({', '.join(COMPARED)})",
    "unequal_columns": ", ".join(
        f"if(listed.{name} is distinct from stored.{name}, '{name}', null)" for name in COMPARED
    ),
    "half_page": PAGE_SIZE // 2,
    "max_named": MAX_NAMED,
}


@dataclass(frozen=True)
class Difference:
    """A row that the copy lacks, or has with other values."""

    state: State
    account_id: str
    region: str
    invocation_arn: str
    submit_time: datetime | None
    columns: Sequence[str]
    """Columns that differ; `stored twice` stands for a duplicate row."""


@dataclass(frozen=True)
class ScopeComparison:
    """The comparison of one scope; all counts are of rows."""

    account_id: str
    region: str
    outcome: str | None
    error: str | None
    """Reason why it could not be read; the counts are 0 then."""
    listed: int = 0
    equal: int = 0
    missing: int = 0
    different: int = 0
    due: int = 0
    gone: int = 0
    expired: int = 0


@dataclass(frozen=True)
class Verification:
    """A listing compared with its copy."""

    destination: str
    scopes: Sequence[ScopeComparison]
    columns: Mapping[str, int]
    """Numbers of rows in which a column differs, by its name."""
    differences: Sequence[Difference]
    """The first `MAX_NAMED` of what is missing or different."""
    drifted: Mapping[str, Sequence[Window]]
    """Windows by scope in which a repair finds these."""
    repaired: int | None = None
    """Rows that a repair has loaded; None without one."""

    def total(self, name: str) -> int:
        """A count over all scopes."""
        return sum(getattr(scope, name) for scope in self.scopes)

    @property
    def stored(self) -> int:
        """Rows of the copy in what was read; it may also have old versions of due ones."""
        return sum(self.total(name) for name in ("equal", "different", "gone", "expired"))

    @property
    def failed(self) -> list[ScopeComparison]:
        return [scope for scope in self.scopes if scope.outcome != "ok"]

    @property
    def drift(self) -> int:
        """Rows that are missing or different."""
        return self.total("missing") + self.total("different")

    @property
    def exit_code(self) -> int:
        """2 for what is missing or different and was not repaired, 3 for a scope not read, or 0."""
        if self.drift > (self.repaired or 0):
            return 2
        return 3 if self.failed else 0

    def as_json(self) -> dict[str, Any]:
        """The document that `verify --json` prints."""
        return {
            "destination": self.destination,
            "exit_code": self.exit_code,
            "rows": {name: self.total(name) for name in ("listed", "equal", *STATES)},
            "columns": self.columns,
            "repaired": self.repaired,
            "scopes": [asdict(scope) for scope in self.scopes],
            "differences": [asdict(each) for each in self.differences],
        }


def verify(
    destination: Destination,
    options: Mapping[str, Any] | None = None,
    *,
    observer: Observer | None = None,
) -> Verification:
    """Compare all that is listed, or the range of the options, with the copy.

    `options` are those of `LoadOptions`. Progress and copy are read first, so that whatever happens
    afterwards is due. Raises what `load` raises.
    """
    load_options = configured_options(LoadOptions, options)
    with one_line_errors(destination):
        with destination.load_session() as session:
            progress = session.progress()
        with destination.connection(is_materialized=True) as connection:
            connection.execute(SETTINGS)
            schema = ASYNC_INVOKES.schema.append(pa.field(IS_DUE, pa.bool_()))
            connection.register("batch", no_rows(schema))
            connection.execute(MAKE.format_map(PARTS))
            context = RunContext(
                load_options, elsewhere=progress, compares=True, observer=observer or Observer()
            )
            with Extraction(context) as extraction:
                for batch in extraction.batches({}):
                    connection.register("batch", batch)
                    connection.execute(ADD.format_map(PARTS))
            return _compared(connection, destination, extraction.reports, load_options.window)


def repair(
    destination: Destination,
    found: Verification,
    options: Mapping[str, Any] | None = None,
    *,
    observer: Observer | None = None,
) -> RunResult:
    """A run that also reads again, compares and heals the windows of what was found."""
    given = {name: each for name, each in (options or {}).items() if name not in ("since", "until")}
    return load(destination, given, observer=observer, repairs=found.drifted)


def _compared(
    connection: duckdb.DuckDBPyConnection,
    destination: Destination,
    reports: Sequence[ScopeReport],
    window: Window,
) -> Verification:
    """The result, once all is read."""
    read = [report.scope for report in reports if report.outcome == "ok"]
    since, until = (None if edge is None else to_time(edge) for edge in (window.start, window.end))
    connection.execute(LEAVE_OUT_FAILED, {"scopes": read})
    connection.execute(ONE_OF_EACH)
    connection.execute(UNEQUAL.format_map(PARTS))
    values = {"scopes": read, "since": since, "until": until}
    connection.execute(DIFFERENCES.format_map(PARTS), values)
    counts: dict[str, dict[str, int]] = {scope: {} for scope in read}
    for scope, listed in connection.execute(LISTED).fetchall():
        counts[scope]["listed"] = listed
    for scope, state, rows in connection.execute(COUNTED).fetchall():
        counts[scope][state] = rows
    named = connection.execute(NAMED.format_map(PARTS)).fetchall()
    drifted = connection.execute(DRIFTED.format_map(PARTS)).fetchall()
    return Verification(
        str(destination),
        [_scope(report, counts.get(report.scope, {})) for report in reports],
        dict(connection.execute(BY_COLUMN).fetchall()),
        [Difference(*row) for row in named],
        {
            scope: [Window(first, last + 1) for _, first, last in windows]
            for scope, windows in groupby(drifted, key=itemgetter(0))
        },
    )


def _scope(report: ScopeReport, counts: Mapping[str, int]) -> ScopeComparison:
    drifted = sum(counts.get(state, 0) for state in ("missing", "different", "due"))
    return ScopeComparison(
        account_id=report.account_id,
        region=report.region,
        outcome=report.outcome,
        error=report.error,
        **{"equal": counts.get("listed", 0) - drifted, **counts},
    )
