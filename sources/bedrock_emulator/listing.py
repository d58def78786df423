"""ListAsyncInvokes: its parameters, the rows that they select, and the tokens of its pages."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from .faults import Faults, visibility_delay
from .invocations import Invocations, Key, to_json
from .messages import Request, validation_error
from .state import Scope, State
from .timestamps import microseconds

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


class PageToken(Struct, array_like=True, frozen=True):
    """The place where a listing continues."""

    position: Key | None
    """The key of the last row that was listed, None before the first."""
    request: str
    """Identifies the scope and all parameters but the token."""
    issued_at: int
    """The number of the list call that returned it."""
    empty_pages: int = 0
    """The number of empty pages just before."""


def list_async_invokes(state: State, scope: Scope, request: Request) -> str:
    """One page of the scope's invocations, as JSON."""
    parameters = dict(parse_qsl(request.query, keep_blank_values=True))
    query, injector = parse_list_request(parameters), scope.injector
    token = _read_token(query.next_token, scope, parameters)
    position, empty_pages = token.position, token.empty_pages
    rows: Sequence[int] = ()
    view = View(scope.invocations, state.now, injector.faults)
    if injector.empties_page(empty_pages):
        has_more, empty_pages = True, empty_pages + 1
    else:
        rows, has_more = view.page(query, position, injector.page_length(query.max_results))
        scope.counters["rows_served"] += len(rows)
        position, empty_pages = scope.invocations.key_at(rows[-1]) if has_more else None, 0
    page = f'{{"asyncInvokeSummaries":[{",".join(view.summaries(rows))}]'
    if not has_more:
        return page + "}"
    following = PageToken(position, token.request, scope.list_calls, empty_pages)
    return f'{page},"nextToken":"{urlsafe_b64encode(msgspec.json.encode(following)).decode()}"}}'


def parse_list_request(parameters: dict[str, str]) -> ListRequest:
    """Read the query string; a ValidationException for what the service's model forbids."""
    values: dict[str, Any] = dict(parameters)
    if values.get("maxResults", "").isdecimal():
        values["maxResults"] = int(values["maxResults"][:9])
    try:
        return msgspec.convert(values, ListRequest)
    except msgspec.ValidationError as error:
        constraint, _, path = str(error).partition(" - at ")
        name = path.strip("`$.")
        raise validation_error(
            f"1 validation error detected: Value '{parameters[name][:64]}' at '{name}' failed to "
            f"satisfy constraint: {constraint}"
        ) from None


def _read_token(text: str | None, scope: Scope, parameters: dict[str, str]) -> PageToken:
    rest = sorted(item for item in parameters.items() if item[0] != "nextToken")
    identity = to_json([scope.name, rest])
    if text is None:
        return PageToken(None, identity, scope.list_calls)
    try:
        token = msgspec.json.decode(urlsafe_b64decode(text.encode("ascii")), type=PageToken)
    except (ValueError, msgspec.MsgspecError):
        raise validation_error("The provided nextToken is invalid.") from None
    if token.request != identity:
        raise validation_error("The provided nextToken belongs to a request with other parameters.")
    lifetime = scope.injector.faults.token_ttl_calls
    if lifetime and scope.list_calls - token.issued_at > lifetime:
        scope.counters["expired_token"] += 1
        raise validation_error("The provided nextToken has expired.")
    return token


@dataclass(frozen=True, slots=True)
class View:
    """A scope's invocations as they show at a time, under the scope's faults."""

    invocations: Invocations
    now: int
    faults: Faults

    def page(
        self, query: ListRequest, position: Key | None, length: int
    ) -> tuple[Sequence[int], bool]:
        """The matching rows that follow a position, at most `length`, and whether more follow."""
        span = self._span(query, position)
        rows = span if query.sort_order == "Ascending" else span[::-1]
        status = query.status_equals
        if not self.faults.late_visibility_seconds and status is None:
            return rows[:length], len(rows) > length
        matching = (
            row
            for row in rows
            if (status is None or self.invocations.status_at(row, self.now) == status)
            and self._is_visible(row)
        )
        # One more than asked shows whether any follows.
        found = list(islice(matching, length + 1))
        return found[:length], len(found) > length

    def summaries(self, rows: Sequence[int]) -> list[str]:
        """The JSON of rows."""
        unknown_members = self.faults.unknown_members
        return self.invocations.summaries(rows, self.now, unknown_members=unknown_members)

    def _span(self, query: ListRequest, position: Key | None) -> range:
        rows, faults, first = self.invocations, self.faults, 0
        after, before = query.submit_time_after, query.submit_time_before
        last = bisect_right(rows.submit, self.now)
        if faults.retention_seconds:
            oldest = self.now - round(faults.retention_seconds * 1_000)
            first = bisect_left(rows.submit, oldest)
        if after is not None:
            first = max(first, self._bound(after, beyond=not faults.after_inclusive))
        if before is not None:
            last = min(last, self._bound(before, beyond=faults.before_inclusive))
        if position is not None and query.sort_order == "Ascending":
            first = max(first, rows.first_after(position))
        elif position is not None:
            last = min(last, rows.first_at_or_after(position))
        return range(first, max(first, last))

    def _bound(self, when: datetime, *, beyond: bool) -> int:
        """The first row at a time or later; with ``beyond`` the first that is later."""
        submits, microsecond = self.invocations.submit, microseconds(when)
        if beyond:
            return bisect_right(submits, microsecond // 1_000)
        return bisect_left(submits, -(-microsecond // 1_000))

    def _is_visible(self, row: int) -> bool:
        late = self.faults.late_visibility_seconds
        age = self.now - self.invocations.submit[row]
        return age >= late * 1_000 or age >= visibility_delay(self.invocations.id_at(row), late)
