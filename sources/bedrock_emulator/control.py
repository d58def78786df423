"""The control API under /_emulator, and its client: clock, invocations, faults, counters, roles.

``POST /_emulator/METHOD`` calls a method of `ControlMethods`; the body is a JSON object of its
arguments by name.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import NODEFAULT, Meta, Struct, defstruct
from msgspec.structs import asdict

from .credentials import Roles
from .faults import Faults
from .invocations import NEVER, summary_template
from .listing import ListRequest, select, summaries
from .messages import Request, Response
from .state import ANY, State
from .timeline import NEVER_ENDING_RATE, generate
from .timestamps import MILLISECOND, milliseconds, to_datetime

PREFIX = "/_emulator/"
TIMEOUT_SECONDS = 300.0

Account = Annotated[str, Meta(pattern=r"\A\d{12}\Z")]
Region = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,20}\Z")]
AnyAccount = Annotated[str, Meta(pattern=r"\A(\d{12}|\*)\Z")]
AnyRegion = Annotated[str, Meta(pattern=r"\A([a-z0-9-]{1,20}|\*)\Z")]
Summary = dict[str, Any]


class Submission(Struct, frozen=True, kw_only=True):
    """The arguments of `submit` that differ between invocations of a scope."""

    submit_time: datetime
    duration: timedelta | None = None
    failure_message: str | None = None
    model_id: str = "amazon.nova-reel-v1:1"


class ControlMethods:
    """The methods that can be called over HTTP; the server holds the state's lock meanwhile.

    ``account`` is 12 digits and ``region`` a region's name; times are aware datetimes.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def now(self) -> datetime:
        """The virtual clock, in UTC."""
        return to_datetime(self._state.now)

    def set_clock(self, now: datetime) -> datetime:
        """Set the virtual clock; returns it."""
        self._state.now = milliseconds(now)
        return self.now()

    def advance(self, step: timedelta) -> datetime:
        """Move the virtual clock; returns it."""
        return self.set_clock(self.now() + step)

    def populate(
        self,
        account: Account,
        region: Region,
        count: int,
        start: datetime,
        end: datetime,
        seed: int = 0,
        *,
        never_ending_rate: float = NEVER_ENDING_RATE,
        has_bad_day: bool = True,
    ) -> int:
        """Add a generated timeline submitted in ``[start, end)``; returns its length."""
        rows = generate(
            account, region, count, start, end, seed, never_ending_rate, has_bad_day=has_bad_day
        )
        self._state.scope(account, region).invocations.add_all(rows)
        return len(rows)

    def submit(
        self,
        account: Account,
        region: Region,
        *,
        submit_time: datetime,
        duration: timedelta | None = None,
        failure_message: str | None = None,
        model_id: str = "amazon.nova-reel-v1:1",
        client_request_token: str | None = None,
        s3_uri: str = "s3://invocations/output",
    ) -> str:
        """Add one invocation; returns its ARN.

        It ends after ``duration`` (None: never), ``Failed`` if there is a failure message and
        ``Completed`` otherwise. ``model_id`` may be a whole model ARN.
        """
        submit, end = milliseconds(submit_time), NEVER
        if duration is not None:
            end = submit + round(duration / MILLISECOND)
        if end < submit:
            raise ValueError(f"duration cannot be negative, as {duration}")
        output = {"s3Uri": s3_uri}
        template = summary_template(account, region, model_id, output, client_request_token)
        scope = self._state.scope(account, region)
        return scope.invocations.add(submit, end, template, failure_message)

    def submit_all(self, account: Account, region: Region, submissions: list[Submission]) -> int:
        """`submit` each of many, in the order of their submit times; returns how many."""
        for one in sorted(submissions, key=lambda one: milliseconds(one.submit_time)):
            self.submit(account, region, **asdict(one))
        return len(submissions)

    def put_raw(
        self, account: Account, region: Region, submit_time: datetime, summary: Summary
    ) -> None:
        """Add a summary that is listed exactly as it is, sorted under the given time."""
        self._state.scope(account, region).invocations.add_raw(milliseconds(submit_time), summary)

    def remove(self, account: Account, region: Region, arn: str) -> None:
        """List an invocation no more; `put_raw` lists it anew, changed or not."""
        self._state.scope(account, region).invocations.remove(arn)

    def scopes(self) -> dict[tuple[str, str], int]:
        """The scopes (account, region) that have invocations, and how many."""
        rows = {key: scope.invocations.rows for key, scope in self._state.scopes.items()}
        return {key: len(rows) for key, rows in rows.items() if rows}

    def read_listing(self, account: Account, region: Region) -> bytes:
        """All that is listed at this time of the clock: one summary per line, ascending."""
        scope, now = self._state.scope(account, region), self._state.now
        rows = select(scope, now, ListRequest(sort_order="Ascending"))
        return "\n".join([*summaries(scope, now, rows), ""]).encode()

    def set_faults(
        self, faults: Faults, account: AnyAccount = ANY, region: AnyRegion = ANY
    ) -> None:
        """Replace the faults of a scope, or by default of all.

        The most specific setting counts alone: they are not added up.
        """
        self._state.fault_settings[account, region] = faults

    def clear_faults(self) -> None:
        """Bring all scopes back to good health."""
        self._state.fault_settings.clear()

    def calls(self) -> dict[tuple[str, str], Counter[str]]:
        """The counters of each scope (account, region) that was called."""
        return {key: scope.counters for key, scope in self._state.scopes.items() if scope.counters}

    def reset_calls(self) -> None:
        """Set all counters to zero."""
        for scope in self._state.scopes.values():
            scope.counters.clear()

    def refuse_role(self, role_arn: str) -> None:
        """Refuse to let anybody assume a role."""
        self._state.roles.refused.add(role_arn)

    def misdirect_role(self, role_arn: str, account: Account) -> None:
        """Let a role's sessions land in another account than its ARN says."""
        self._state.roles.misdirected[role_arn] = account

    def trust(
        self, role_arn: str, *, principal: str | None = None, external_id: str | None = None
    ) -> None:
        """Let nobody assume a role but one principal, or whoever has an external id, or both.

        ``principal`` is the ARN of a role without a path, or of a user.
        """
        self._state.roles.trusts[role_arn] = principal, external_id

    def close_account(self, account: Account) -> None:
        """Turn away whoever shows credentials of an account, or assumes a role in it."""
        self._state.roles.closed.add(account)

    def sessions(self) -> list[dict[str, str]]:
        """Every session of a role: its ``arn``, ``access_key``, ``secret_key`` and ``token``."""
        names = ("arn", "access_key", "secret_key", "token")
        sessions = self._state.roles.sessions.values()
        return [{name: getattr(session, name) for name in names} for session in sessions]

    def limit_sessions(self, duration: timedelta) -> None:
        """Let new role sessions expire after so much virtual time, whatever is asked for."""
        self._state.roles.session_seconds = int(duration.total_seconds())

    def reset_roles(self) -> None:
        """Let all roles be assumed again, for as long as asked; open all accounts."""
        self._state.roles = Roles(sessions=self._state.roles.sessions)


def _argument_type(method: Callable[..., Any]) -> type[Struct]:
    """The arguments of a method as one type: the client writes it, the server checks it."""
    _, *parameters = signature(method).parameters.values()
    fields = [
        (each.name, each.annotation, NODEFAULT if each.default is each.empty else each.default)
        for each in parameters
    ]
    return defstruct(method.__name__, fields, forbid_unknown_fields=True)


METHODS = {
    name: _argument_type(method)
    for name, method in vars(ControlMethods).items()
    if not name.startswith("_")
}


def respond(state: State, request: Request) -> Response:
    """Serve one control request; what is wrong with it comes as a 400 with one message."""
    name = request.path.removeprefix(PREFIX)
    try:
        if request.method != "POST" or name not in METHODS:
            call, methods = f"{request.method} {request.path}", ", ".join(METHODS)
            raise ValueError(f"there is no {call}; there are POST {PREFIX}METHOD for {methods}")
        arguments = msgspec.json.decode(request.body or b"{}", type=METHODS[name])
        with state.lock:
            return _response(getattr(ControlMethods(state), name)(**asdict(arguments)))
    except (ValueError, OverflowError, msgspec.MsgspecError) as error:
        return Response(msgspec.json.encode({"message": str(error)}), 400)


def _response(result: Any) -> Response:
    if isinstance(result, bytes):
        return Response(result, headers={"Content-Type": "application/x-ndjson"})
    # No scope can be a key in JSON: dicts travel as their items.
    items = list(result.items()) if isinstance(result, dict) else result
    return Response(msgspec.json.encode(items))


class ControlError(ValueError):
    """The control API refused a request; the message says why."""


if TYPE_CHECKING:
    _Methods = ControlMethods
else:
    _Methods = object


class Control(_Methods):
    """The `ControlMethods` of an emulator at a URL, in this process or another.

    Each method raises `ControlError` where the emulator refuses, and OSError where it cannot be
    reached.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def faults(self, account: str = ANY, region: str = ANY, **faults: Any) -> None:
        """`set_faults`, with each fault as a keyword."""
        self.set_faults(Faults(**faults), account, region)

    def listing(self, account: str, region: str) -> list[Summary]:
        """All that the API would list at this time of the clock, ascending."""
        lines = self.read_listing(account, region)
        return msgspec.json.Decoder(Summary).decode_lines(lines)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name not in METHODS:
                raise AttributeError(f"the emulator has no method {name}")
            return partial(self._call, name)

    def _call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        body = msgspec.json.encode(METHODS[name](*args, **kwargs))
        address = urlsplit(self.url).netloc
        with closing(HTTPConnection(address, timeout=TIMEOUT_SECONDS)) as connection:
            connection.request("POST", PREFIX + name, body)
            with connection.getresponse() as response:
                status, content = response.status, response.read()
        if status != 200:
            raise ControlError(msgspec.json.decode(content)["message"])
        result_type: Any = signature(getattr(ControlMethods, name)).return_annotation
        if result_type is bytes:
            return content
        result = msgspec.json.decode(content)
        if get_origin(result_type) is dict:
            result = {tuple(key): value for key, value in result}
        # The one type that msgspec does not know is that of counters.
        return msgspec.convert(result, result_type, dec_hook=lambda kind, value: kind(value))
