"""A service of one's own that answers ListAsyncInvokes byte for byte as a test says."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import orjson

from tests.conftest import ACCOUNT, REGION
from tests.servers import Service

REASONS = {200: "OK", 302: "Found"}
MODEL_ARN = f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-reel-v1:1"

Answer = bytes | Iterable[bytes]
"""A whole HTTP answer, its head included; pieces are sent one by one."""


def answer(body: bytes, status: int = 200, *headers: str, length: int | None = None) -> bytes:
    """An HTTP answer as it goes over the wire."""
    head = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Something')}",
        f"Content-Length: {len(body) if length is None else length}",
        "Content-Type: application/json",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def page(*summaries: Any, token: Any = None) -> bytes:
    """A page's body."""
    members = {} if token is None else {"nextToken": token}
    return orjson.dumps({"asyncInvokeSummaries": summaries} | members)


def summary(number: int, region: str = REGION, **members: Any) -> dict[str, Any]:
    """An invocation that has ended; the first numbers are the oldest."""
    return {
        "invocationArn": f"arn:aws:bedrock:{region}:{ACCOUNT}:async-invoke/{number:012d}",
        "modelArn": MODEL_ARN,
        "status": "Completed",
        "submitTime": f"2026-03-30T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        **members,
    }


@dataclass
class HostileBedrock(Service):
    """Serves what `respond` makes of a region and a call's number, which counts from 0."""

    respond: Callable[[str, int], Answer]
    calls: dict[str, int] = field(default_factory=dict)

    def make_server(self, address: tuple[str, int]) -> ThreadingTCPServer:
        return _Server(address, _handler(self))

    @property
    def environment(self) -> dict[str, str]:
        """What leads a process to it, and to nothing else."""
        return {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ACCOUNT_ID": ACCOUNT,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def answer_to(self, head: str) -> Iterable[bytes]:
        """What a request is answered with; its signature names the region."""
        region = re.search(r"Credential=key/\d+/([a-z0-9-]+)/", head)
        assert region
        number = self.calls.get(region[1], 0)
        self.calls[region[1]] = number + 1
        given = self.respond(region[1], number)
        return [given] if isinstance(given, bytes) else given


class _Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


def _handler(service: HostileBedrock) -> type[StreamRequestHandler]:
    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while line := self.rfile.readline():
                head += line
                if line == b"\r\n":
                    break
            if not head:
                return
            try:
                for piece in service.answer_to(head.decode("latin-1")):
                    self.wfile.write(piece)
                    self.wfile.flush()
            except OSError:
                return  # The other side has had enough.

    return Handler
