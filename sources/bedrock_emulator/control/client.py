"""A client of the control API, for the same process or another."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from ..instants import parse
from ..timeline import NEVER_ENDING_RATE
from ..world import ANY

TIMEOUT_SECONDS = 300.0
BLOCK_BYTES = 1 << 20
Summary = dict[str, Any]


class ControlError(RuntimeError):
    """The control API refused a request; the message says why."""


class Control:
    """Moves the clock, adds invocations, switches faults, reads counters.

    ``account`` is 12 digits and ``region`` a region's name; times are aware datetimes. Each
    method raises `ControlError` where the emulator refuses, and OSError where it cannot be
    reached.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def now(self) -> datetime:
        """The virtual clock, in UTC."""
        return parse(self._call("GET", "/clock")["now"])

    def set_clock(self, now: datetime) -> datetime:
        """Set the virtual clock; returns it."""
        return parse(self._call("PUT", "/clock", now=_text(now))["now"])

    def advance(self, step: timedelta) -> datetime:
        """Move the virtual clock on; returns it."""
        answer = self._call("POST", "/clock/advance", seconds=step.total_seconds())
        return parse(answer["now"])

    def populate(
        self,
        account: str,
        region: str,
        count: int,
        start: datetime,
        end: datetime,
        seed: int = 0,
        *,
        never_ending_rate: float = NEVER_ENDING_RATE,
    ) -> int:
        """Add a generated timeline submitted in ``[start, end)``; returns its length."""
        body = {
            "count": count,
            "start": _text(start),
            "end": _text(end),
            "seed": seed,
            "never_ending_rate": never_ending_rate,
        }
        return int(self._call("POST", "/populate", account=account, region=region, **body)["added"])

    def submit(
        self,
        account: str,
        region: str,
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
        body = {
            "submit_time": _text(submit_time),
            "duration_seconds": None if duration is None else duration.total_seconds(),
            "failure_message": failure_message,
            "model_id": model_id,
            "client_request_token": client_request_token,
            "s3_uri": s3_uri,
        }
        answer = self._call("POST", "/submit", account=account, region=region, **body)
        return str(answer["invocationArn"])

    def put_raw(self, account: str, region: str, submit_time: datetime, summary: Summary) -> None:
        """Add a summary that is listed exactly as it is, sorted under the given time."""
        body = {"submit_time": _text(submit_time), "summary": summary}
        self._call("POST", "/raw", account=account, region=region, **body)

    def listing(self, account: str, region: str) -> list[Summary]:
        """All that the API would list at this instant of the clock, ascending."""
        return list(self.iter_listing(account, region))

    def iter_listing(self, account: str, region: str) -> Iterator[Summary]:
        """`listing`, one summary at a time."""
        query = urlencode({"account": account, "region": region})
        connection = self._connect()
        try:
            with self._request(connection, "GET", f"/listing?{query}", None) as response:
                rest = b""
                while block := response.read(BLOCK_BYTES):
                    *lines, rest = (rest + block).split(b"\n")
                    yield from map(orjson.loads, lines)
        finally:
            connection.close()

    def faults(self, account: str = ANY, region: str = ANY, **faults: Any) -> None:
        """Replace the faults of a scope, or by default of all; see `Faults` for their names.

        The most specific setting counts alone: they are not added up.
        """
        self._call("PUT", "/faults", account=account, region=region, faults=faults)

    def clear_faults(self) -> None:
        """Bring all scopes back to good health."""
        self._call("DELETE", "/faults")

    def scopes(self) -> dict[tuple[str, str], int]:
        """The scopes (account, region) that have invocations, and how many."""
        found = self._call("GET", "/scopes")
        return {(one["account"], one["region"]): one["invocations"] for one in found}

    def calls(self) -> dict[tuple[str, str], dict[str, int]]:
        """What was counted in each scope (account, region) that was called."""
        found = self._call("GET", "/calls")
        return {(one["account"], one["region"]): one["counters"] for one in found}

    def reset_calls(self) -> None:
        """Start counting from nothing."""
        self._call("DELETE", "/calls")

    def refuse_role(self, role_arn: str) -> None:
        """Refuse to let anybody assume a role."""
        self._call("POST", "/roles/refuse", role_arn=role_arn)

    def misdirect_role(self, role_arn: str, account: str) -> None:
        """Let a role's sessions land in another account than its ARN says."""
        self._call("POST", "/roles/misdirect", role_arn=role_arn, account=account)

    def trust(
        self, role_arn: str, *, principal: str | None = None, external_id: str | None = None
    ) -> None:
        """Let nobody assume a role but one principal, or whoever has an external id, or both.

        ``principal`` is the ARN of a role without a path, or of a user.
        """
        given = {"principal": principal, "external_id": external_id}
        more = {name: value for name, value in given.items() if value is not None}
        self._call("POST", "/roles/trust", role_arn=role_arn, **more)

    def close_account(self, account: str) -> None:
        """Turn away whoever shows credentials of an account, or assumes a role in it."""
        self._call("POST", "/roles/close", account=account)

    def sessions(self) -> list[dict[str, str]]:
        """Every role's session there was: ``arn``, ``access_key``, ``secret_key``, ``token``."""
        return list(self._call("GET", "/roles/sessions"))

    def limit_sessions(self, duration: timedelta) -> None:
        """Let new role sessions expire after so much virtual time, whatever is asked for."""
        self._call("POST", "/roles/session", seconds=int(duration.total_seconds()))

    def reset_roles(self) -> None:
        """Undo all that was said of roles, their sessions and closed accounts."""
        self._call("DELETE", "/roles")

    def _connect(self) -> HTTPConnection:
        return HTTPConnection(urlsplit(self.url).netloc, timeout=TIMEOUT_SECONDS)

    def _call(self, method: str, route: str, **members: Any) -> Any:
        body = orjson.dumps(members) if members else None
        connection = self._connect()
        try:
            with self._request(connection, method, route, body) as response:
                return orjson.loads(response.read())
        finally:
            connection.close()

    def _request(
        self, connection: HTTPConnection, method: str, route: str, body: bytes | None
    ) -> HTTPResponse:
        connection.request(method, f"/_emulator{route}", body)
        response = connection.getresponse()
        if response.status != 200:
            raise ControlError(orjson.loads(response.read())["message"])
        return response


def _text(when: datetime) -> str:
    if when.tzinfo is None:
        raise ValueError(f"{when.isoformat()} has no time zone: add one, for instance +00:00")
    return when.isoformat(timespec="microseconds")
