"""Calls of ListAsyncInvokes over HTTP: counted, paced, bounded, parsed; and the service's clock."""

import io
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any, Final

import botocore.session
import orjson
import urllib3.exceptions
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.exceptions import (
    ConnectionClosedError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from .columns import ScopeReport
from .errors import ListingError
from .pace import OPERATION, Pace, is_throttled
from .pages import read_page
from .windows import LATEST_US, PAGE_SIZE, Window, to_microseconds, to_time

REQUEST_MARGIN_US: Final = 1_000
"""Excess of a request on both sides of its window, so that the service's boundary rules do not
matter."""
EARLIEST_BOUND_US: Final = to_microseconds(datetime(1000, 1, 1))
"""botocore writes an earlier year with fewer than four digits, which the service refuses."""
CALL_SECONDS: Final = 60
"""A call that has not ended by then is given up, even if bytes still trickle in."""
RESPONSE_BYTES: Final = 16_000_000
"""A page of 1,000 invocations takes 10 MB if each is as long as the service's model allows."""
CHUNK_BYTES: Final = 65_536
ERROR_BYTES: Final = 500
"""Part of an error that is not JSON which becomes its message."""
CLOCK_TOLERANCE: Final = timedelta(seconds=5)
"""Largest difference for which the local clock counts as right; headers have whole seconds."""

COMPUTING: Final = threading.Lock()
"""One thread at a time converts rows: sixteen that compute at once in one interpreter take twice
as long as one after the other."""
READING: Final = threading.Lock()
"""Threads that read pages take it first: the one that processes them then waits for one at most."""


class ServiceClock:
    """The time by the service's `Date` headers, if this machine's clock is off.

    The age of an open invocation is its scope's last run less its `submitTime`: two clocks.
    """

    def __init__(self) -> None:
        self._offset = timedelta(0)

    def now(self) -> datetime:
        """The service's time, UTC."""
        return self.at(datetime.now(UTC))

    def at(self, local: datetime) -> datetime:
        """The service's time at a local one; the local one where that is after the year 9999.

        A corrected time has whole seconds, as the headers do: fractions of the local clock would
        put a later reading before an earlier one.
        """
        if not self._offset:
            return local
        try:
            return (local + self._offset).replace(microsecond=0)
        except OverflowError:
            return local

    def compare(self, response_dict: Mapping[str, Any] | None, **_: Any) -> None:
        """Take the time from a response."""
        date = (response_dict or {}).get("headers", {}).get("Date")
        try:
            offset = parsedate_to_datetime(date or "").astimezone(UTC) - datetime.now(UTC)
        except (ValueError, OverflowError):
            return
        self._offset = offset if abs(offset) > CLOCK_TOLERANCE else timedelta(0)


class Client:
    """ListAsyncInvokes of one account in one region; safe to use from several threads."""

    def __init__(
        self,
        client: BaseClient,
        http: URLLib3Session,
        report: ScopeReport,
        stopping: threading.Event,
    ) -> None:
        self.report = report
        self.pace = Pace(stopping)
        self.clock = ServiceClock()
        self._client = client
        self._http = http
        self._is_final = False
        self._counting = threading.Lock()
        events = client.meta.events
        events.register(f"before-send.{OPERATION}", lambda **_: self.count(calls=1))
        events.register(f"response-received.{OPERATION}", self._count_throttled)
        events.register(f"response-received.{OPERATION}", self.clock.compare)
        self.pace.watch(client)
        events.register_last(f"before-send.{OPERATION}", self._send)
        events.register(f"before-parse.{OPERATION}", parse_page)

    def pages(self, window: Window, *, newest_first: bool) -> Iterator[dict[str, Any]]:
        """Pages with a parsed `Page` as `asyncInvokeSummaries`; a margin beyond the window."""
        bounds = {}
        if window.start is not None and window.start - REQUEST_MARGIN_US >= EARLIEST_BOUND_US:
            bounds["submitTimeAfter"] = to_time(window.start - REQUEST_MARGIN_US)
        if window.end is not None:
            bounds["submitTimeBefore"] = to_time(min(window.end + REQUEST_MARGIN_US, LATEST_US))
        pages: Iterator[dict[str, Any]] = iter(
            self._client.get_paginator("list_async_invokes").paginate(
                sortBy="SubmissionTime",
                sortOrder="Descending" if newest_first else "Ascending",
                PaginationConfig={"PageSize": PAGE_SIZE},
                **bounds,
            )
        )
        return pages

    def count(self, **counts: int) -> None:
        """Add to columns of the scope's report, unless it is final."""
        with self._counting:
            if not self._is_final:
                for name, count in counts.items():
                    setattr(self.report, name, getattr(self.report, name) + count)

    def close(self) -> None:
        """Make the report final, since calls in flight no longer count; close the connections."""
        with self._counting:
            self._is_final = True
        self._client.close()
        self._http.close()

    def _count_throttled(self, parsed_response: dict[str, Any] | None, **_: Any) -> None:
        if is_throttled(parsed_response):
            self.count(throttled=1)

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Send in place of botocore, in a thread that is abandoned when its time is over.

        Timeouts of sockets begin anew with each byte, also in a header. Raises `ListingError` if
        the response is too long or takes too long, and errors that botocore retries if it breaks
        off.
        """
        outcomes: SimpleQueue[AWSResponse | Exception] = SimpleQueue()
        thread = threading.Thread(
            target=lambda: outcomes.put(_response(self._http, request)),
            name="list-async-invokes-call",
            daemon=True,
        )
        thread.start()
        try:
            outcome = outcomes.get(timeout=CALL_SECONDS)
        except Empty:
            message = f"An answer was not whole after {CALL_SECONDS:g} seconds."
            raise ListingError(message) from None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def http_session(client: BaseClient, core: botocore.session.Session) -> URLLib3Session:
    """A session with the timeouts, proxies and certificates that botocore gives the client."""
    config = client.meta.config
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    if core.get_config_variable("tcp_keepalive"):
        options.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
    return URLLib3Session(
        verify=ca_bundle(core) or True,
        proxies=get_environ_proxies(client.meta.endpoint_url),
        timeout=(config.connect_timeout, config.read_timeout),
        max_pool_connections=config.max_pool_connections,
        socket_options=options,
    )


def ca_bundle(core: botocore.session.Session) -> str | None:
    """The file of certificates that botocore trusts instead of its own, if there is one."""
    found: str | None = core.get_config_variable("ca_bundle")
    return found or os.environ.get("REQUESTS_CA_BUNDLE")


def _response(http: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse | Exception:
    request.stream_output = True  # Else botocore would read it whole, however long it is.
    try:
        response = http.send(request)
        # A truncated page shows as broken JSON; not every version of botocore counts the bytes.
        response.raw.enforce_content_length = False
        body = _read(response.raw)
        raw = SimpleNamespace(stream=lambda: [body])  # The one method that botocore calls.
        return AWSResponse(response.url, response.status_code, response.headers, raw)
    except urllib3.exceptions.ReadTimeoutError as error:
        return ReadTimeoutError(endpoint_url=request.url, error=error)
    except urllib3.exceptions.ProtocolError as error:
        return ConnectionClosedError(endpoint_url=request.url, error=error)
    except urllib3.exceptions.HTTPError as error:
        return HTTPClientError(error=error)
    except Exception as error:
        return error


def _read(raw: Any) -> bytes:
    """The body, decompressed if it is compressed, although that was not asked for."""
    body = io.BytesIO()  # Unlike a list of chunks, it never holds the body twice.
    for chunk in raw.stream(CHUNK_BYTES, decode_content=True):
        body.write(chunk)
        if body.tell() > RESPONSE_BYTES:
            raw.close()
            raise ListingError(f"An answer is larger than {RESPONSE_BYTES / 1e6:g} MB.")
    return body.getvalue()


def parse_page(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Put the parsed page beside botocore's result, and leave botocore an empty body.

    Its parser spends most of a page's time on timestamps, which Arrow casts at a hundredth of the
    cost, and drops unknown members. Errors stay with botocore. Raises `ListingError` for a response
    that is neither a page nor an error.
    """
    status = response_dict["status_code"]
    if 400 <= status < 600:
        response_dict["body"] = _plain_error(response_dict["body"])
        return
    if status != 200:
        raise ListingError(
            f"ListAsyncInvokes was answered with HTTP status {status} instead of a page. Check the "
            "endpoint, and any proxy on the way."
        )
    with READING, COMPUTING:
        page = read_page(response_dict["body"])
    customized_response_dict["asyncInvokeSummaries"] = page
    customized_response_dict["nextToken"] = page.next_token
    response_dict["body"] = b"{}"


def _plain_error(body: bytes) -> bytes:
    """An error with its text members alone: botocore assumes that all of them are text."""
    try:
        error = orjson.loads(body)
    except ValueError:
        error = None
    members = error if isinstance(error, dict) else {}
    texts = {name: text for name, text in members.items() if isinstance(text, str)}
    return orjson.dumps(texts or {"message": body[:ERROR_BYTES].decode(errors="replace")})
