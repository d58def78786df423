"""The parameters of ListAsyncInvokes, held against the limits of the service's model."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import validation_error
from .instants import microseconds, parse
from .listing import Query
from .summaries import to_json

MOST_RESULTS, DEFAULT_RESULTS = 1_000, 100
LONGEST_TOKEN = 2_048
STATUSES = ("InProgress", "Completed", "Failed")
SORT_ORDERS = ("Ascending", "Descending")
SORT_KEYS = ("SubmissionTime",)


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A valid request: its query, its token, and the identity that the token is bound to."""

    query: Query
    token: str | None
    identity: str


def parse_list_request(account: str, region: str, parameters: Mapping[str, str]) -> ListRequest:
    """Read the query string; a ValidationException for what the service's model forbids."""
    _choice(parameters, "sortBy", SORT_KEYS)
    query = Query(
        after=_time(parameters, "submitTimeAfter"),
        before=_time(parameters, "submitTimeBefore"),
        status=_choice(parameters, "statusEquals", STATUSES),
        ascending=_choice(parameters, "sortOrder", SORT_ORDERS) == "Ascending",
        max_results=_max_results(parameters),
    )
    rest = {name: value for name, value in parameters.items() if name != "nextToken"}
    identity = hashlib.sha256(to_json([account, region, sorted(rest.items())]).encode())
    return ListRequest(query, _token(parameters), identity.hexdigest()[:32])


def _choice(parameters: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    value = parameters.get(name)
    if value is not None and value not in allowed:
        raise _violation(value, name, f"satisfy enum value set: [{', '.join(allowed)}]")
    return value


def _time(parameters: Mapping[str, str], name: str) -> int | None:
    if name not in parameters:
        return None
    try:
        return microseconds(parse(parameters[name]))
    except (ValueError, OverflowError):
        raise _violation(parameters[name], name, "be an ISO 8601 timestamp") from None


def _max_results(parameters: Mapping[str, str]) -> int:
    text = parameters.get("maxResults", str(DEFAULT_RESULTS))
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_RESULTS:
        raise _violation(text, "maxResults", f"have a value between 1 and {MOST_RESULTS}")
    return int(text)


def _token(parameters: Mapping[str, str]) -> str | None:
    token = parameters.get("nextToken")
    if token is not None and not 1 <= len(token) <= LONGEST_TOKEN:
        raise _violation(token[:32], "nextToken", f"have a length of 1 to {LONGEST_TOKEN}")
    return token


def _violation(value: str, name: str, constraint: str) -> Exception:
    return validation_error(
        f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: "
        f"Member must {constraint}"
    )
