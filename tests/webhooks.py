"""A webhook of one's own, over HTTP."""

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers import Service

PATH = "/services/T000/B000/the-secret-part"


@dataclass
class Webhook(Service):
    """Keeps what is posted to it; answers with `status`, or not at all where it hangs."""

    status: int = 200
    location: str | None = None
    hangs: bool = False
    posted: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def make_server(self, address: tuple[str, int]) -> ThreadingHTTPServer:
        return ThreadingHTTPServer(address, _handler(self))

    @property
    def notify_url(self) -> str:
        """As apprise has it."""
        return f"json{self.url.removeprefix('http')}{PATH}"


def _handler(webhook: Webhook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            webhook.posted.append(json.loads(body))
            webhook.paths.append(self.path)
            if webhook.hangs:
                webhook.released.wait()
                return
            self.send_response(webhook.status)
            if webhook.location:
                self.send_header("Location", webhook.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    return Handler
