"""Answers as they come in over HTTP: they end, after so many bytes and so many seconds."""

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import urllib3.exceptions
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.exceptions import ConnectionClosedError, HTTPClientError, ReadTimeoutError

from .errors import ListingError
from .settings import ANSWER_BYTES, CALL_SECONDS

CHUNK_BYTES = 65_536


def bound_answers(client: BaseClient) -> None:
    """Let no answer to a client be endless; done twice, it is done once.

    botocore has an event before it sends, but none between what comes in and all of it in memory.
    """
    endpoint = client._endpoint
    if not isinstance(endpoint.http_session, BoundedSession):
        endpoint.http_session = BoundedSession(endpoint.http_session)


class BoundedSession:
    """An HTTP session of botocore's, whose `send` comes back and holds `ANSWER_BYTES` at most."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.close = session.close

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send in a thread that is left to itself when its time is over.

        Time limits of sockets begin anew with each byte. Raises `ListingError` where the answer is
        too long or takes too long, and what botocore tries again where it breaks off.
        """
        call = _Call(self._session, request)
        thread = threading.Thread(target=call.run, name="list-async-invokes-call", daemon=True)
        thread.start()
        thread.join(CALL_SECONDS)
        if call.outcome is None:
            raise ListingError(f"An answer was not whole after {CALL_SECONDS:g} seconds.")
        if isinstance(call.outcome, BaseException):
            raise call.outcome
        return call.outcome


class _Call:
    def __init__(self, session: Any, request: AWSPreparedRequest) -> None:
        self.outcome: AWSResponse | BaseException | None = None
        self._session = session
        self._request = request

    def run(self) -> None:
        try:
            self.outcome = self._answer()
        except BaseException as error:
            self.outcome = error

    def _answer(self) -> AWSResponse:
        self._request.stream_output = True  # Else botocore would read it, however long it is.
        answer = self._session.send(self._request)
        # What is cut off is seen by what it lacks; not every version of botocore counts the bytes.
        answer.raw.enforce_content_length = False
        url = self._request.url
        try:
            body = _read(answer.raw)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise ReadTimeoutError(endpoint_url=url, error=error) from error
        except urllib3.exceptions.ProtocolError as error:
            raise ConnectionClosedError(endpoint_url=url, error=error) from error
        except urllib3.exceptions.HTTPError as error:
            raise HTTPClientError(error=error) from error
        return AWSResponse(answer.url, answer.status_code, answer.headers, _Body(body))


def _read(raw: Any) -> bytes:
    """The body, unpacked where it is compressed, although that was not asked for."""
    body = io.BytesIO()  # Unlike a list of chunks, it is never there twice.
    for chunk in raw.stream(CHUNK_BYTES, decode_content=True):
        body.write(chunk)
        if body.tell() > ANSWER_BYTES:
            raw.close()
            raise ListingError(f"An answer is larger than {ANSWER_BYTES / 1e6:g} MB.")
    return body.getvalue()


@dataclass(frozen=True)
class _Body:
    """What was read, as botocore takes it."""

    content: bytes

    def stream(self) -> Iterator[bytes]:
        yield self.content
