"""The control API under /_emulator: the clock, invocations, faults, counters, roles."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson

from ..requests import Answer, Request
from ..summaries import to_json
from ..world import World
from . import invocations, settings
from .fields import Fields

PREFIX = "/_emulator"
LISTING = "GET /listing"

ROUTES: dict[str, Callable[[World, Fields], Any]] = {
    "GET /clock": settings.get_clock,
    "PUT /clock": settings.set_clock,
    "POST /clock/advance": settings.advance_clock,
    "POST /populate": invocations.populate,
    "POST /submit": invocations.submit,
    "POST /raw": invocations.put_raw,
    "GET /scopes": invocations.get_scopes,
    "GET /faults": settings.get_faults,
    "PUT /faults": settings.set_faults,
    "DELETE /faults": settings.clear_faults,
    "GET /calls": settings.get_calls,
    "DELETE /calls": settings.reset_calls,
    "POST /roles/refuse": settings.refuse_role,
    "POST /roles/misdirect": settings.misdirect_role,
    "POST /roles/trust": settings.trust,
    "POST /roles/close": settings.close_account,
    "GET /roles/sessions": settings.get_sessions,
    "POST /roles/session": settings.limit_sessions,
    "DELETE /roles": settings.reset_roles,
}


def answer(world: World, request: Request) -> Answer:
    """Serve one control request; what is wrong with it comes as a 400 with one message."""
    name = f"{request.method} {request.path.removeprefix(PREFIX)}"
    try:
        fields = Fields(_members(request))
        if name == LISTING:
            scope = fields.scope()
            fields.end()
            lines = invocations.read_listing(world, *scope)
            return Answer(lines, content_type="application/x-ndjson")
        if name not in ROUTES:
            raise ValueError(f"no route {name!r}; there are {', '.join((LISTING, *ROUTES))}")
        result = ROUTES[name](world, fields)
    except (ValueError, OverflowError) as error:
        return Answer(to_json({"message": str(error)}).encode(), 400)
    return Answer(to_json(result).encode())


def _members(request: Request) -> dict[str, Any]:
    if request.method == "GET":
        return dict(parse_qsl(request.query, keep_blank_values=True))
    try:
        members = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    if not isinstance(members, dict):
        raise ValueError("the body must be a JSON object")
    return members
