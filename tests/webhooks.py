"""A webhook of one's own, over HTTP."""

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers import Service

PATH = "/services/T000/B000/the-secret-part"


@dataclass
class Receiver(Service):
    """Keeps what is posted to it; answers with `status`, or not at all where it hangs."""

    status: int = 200
    location: str | None = None
    hangs: bool = False
    posted: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def make_server(self, address: tuple[str, int]) -> ThreadingHTTPServer:
        return ThreadingHTTPServer(address, _handler(self))

    @property
    def url(self) -> str:
        return f"{super().url}{PATH}"


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.posted.append(json.loads(body))
            receiver.paths.append(self.path)
            if receiver.hangs:
                receiver.released.wait()
                return
            self.send_response(receiver.status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    return Handler
