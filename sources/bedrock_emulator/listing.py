"""ListAsyncInvokes: its parameters, the rows that they select, and the tokens of its pages."""

import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import Annotated, Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from .faults import visibility_delay
from .invocations import Invocation, Key
from .messages import Request, validation_error
from .state import Position, Scope

MAX_POSITIONS = 10_000
"""Page tokens of a scope that are remembered."""

Timestamp = Annotated[datetime, Meta(tz=True)]


class ListRequest(Struct, rename="camel", frozen=True, kw_only=True):
    """The parameters of ListAsyncInvokes, with the limits of the service's model."""

    submit_time_after: Timestamp | None = None
    submit_time_before: Timestamp | None = None
    status_equals: Literal["InProgress", "Completed", "Failed"] | None = None
    max_results: Annotated[int, Meta(ge=1, le=1_000)] = 100
    next_token: Annotated[str, Meta(min_length=1, max_length=2_048)] | None = None
    sort_by: Literal["SubmissionTime"] = "SubmissionTime"
    sort_order: Literal["Ascending", "Descending"] = "Descending"


def list_async_invokes(now: int, scope: Scope, request: Request) -> str:
    """One page of the scope's invocations, as JSON."""
    parameters = dict(parse_qsl(request.query, keep_blank_values=True))
    try:
        query = msgspec.convert(parameters, ListRequest, strict=False)
    except msgspec.ValidationError as error:
        raise validation_error(f"1 validation error detected: {error}") from None
    position = _position(scope, parameters)
    length = scope.injector.page_length(query.max_results, position.empty_pages)
    # One more than asked shows whether any follows.
    found = list(islice(select(scope, now, query, position.after), length + 1))
    rows, has_more = found[:length], len(found) > length or not length
    scope.counters["rows_served"] += len(rows)
    page = f'{{"asyncInvokeSummaries":[{",".join(summaries(scope, now, rows))}]'
    return f'{page},"nextToken":"{_new_token(scope, position, rows)}"}}' if has_more else page + "}"


def _position(scope: Scope, parameters: dict[str, str]) -> Position:
    token = parameters.pop("nextToken", None)
    if token is None:
        return Position(parameters, scope.list_calls)
    position = scope.positions.get(token)
    if position is None:
        raise validation_error("The provided nextToken is invalid.")
    if position.parameters != parameters:
        raise validation_error("The provided nextToken belongs to a request with other parameters.")
    lifetime = scope.faults.token_ttl_calls
    if lifetime and scope.list_calls - position.issued_at > lifetime:
        scope.counters["expired_token"] += 1
        raise validation_error("The provided nextToken has expired.")
    return position


def _new_token(scope: Scope, position: Position, rows: Sequence[Invocation]) -> str:
    """A token for the page that follows these rows, which followed a position."""
    after, empty_pages = position.after, position.empty_pages + 1
    if rows:
        after, empty_pages = rows[-1].key, 0
    token = str(uuid.uuid4())
    scope.positions[token] = Position(position.parameters, scope.list_calls, after, empty_pages)
    if len(scope.positions) > MAX_POSITIONS:
        del scope.positions[next(iter(scope.positions))]
    return token


def summaries(scope: Scope, now: int, rows: Iterable[Invocation]) -> Iterator[str]:
    """The JSON of rows as they are at a time."""
    unknown_members = scope.faults.unknown_members
    return (row.summary(now, unknown_members=unknown_members) for row in rows)


def select(
    scope: Scope, now: int, query: ListRequest, after: Key | None = None
) -> Iterator[Invocation]:
    """The rows that a request selects at a time, in its order, from the one after a key."""
    rows, is_ascending = scope.invocations.rows, query.sort_order == "Ascending"
    first, last = _bounds(scope, now, query)
    if after is not None and is_ascending:
        first = max(first, bisect_right(rows, after, key=attrgetter("key")))
    elif after is not None:
        last = min(last, bisect_left(rows, after, key=attrgetter("key")))
    places = range(first, last) if is_ascending else reversed(range(first, last))
    status, late = query.status_equals, scope.faults.late_visibility_seconds
    return (
        row
        for row in map(rows.__getitem__, places)
        if (status is None or row.status(now) == status)
        and (not late or now - row.submit >= visibility_delay(row.id, late))
    )


def _bounds(scope: Scope, now: int, query: ListRequest) -> tuple[int, int]:
    """The first row within the request's times and the retention, and the first beyond them."""
    rows, faults = scope.invocations.rows, scope.faults
    first = bisect_left(rows, scope.oldest_kept(now), key=attrgetter("submit"))
    last = bisect_right(rows, now, key=attrgetter("submit"))
    if query.submit_time_after is not None:
        bisect = bisect_left if faults.after_inclusive else bisect_right
        first = max(first, bisect(rows, query.submit_time_after, key=attrgetter("submitted_at")))
    if query.submit_time_before is not None:
        bisect = bisect_right if faults.before_inclusive else bisect_left
        last = min(last, bisect(rows, query.submit_time_before, key=attrgetter("submitted_at")))
    return first, last
