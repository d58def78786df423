"""A proxy before a service, which lets a share of the calls fail in one way or another."""

import random
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.servers import Service

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Flaky(Service):
    """Passes calls on to `target`; `share` of them fail: cut short, reset, 500 or 503."""

    target: str
    share: float
    calls: int = 0
    failed: int = 0

    def make_server(self, address: tuple[str, int]) -> ThreadingHTTPServer:
        flaky, rng = self, random.Random(1)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                flaky.calls += 1
                length = int(self.headers.get("Content-Length") or 0)
                request = self.rfile.read(length)
                fault = ""
                if rng.random() < flaky.share:
                    flaky.failed += 1
                    fault = rng.choice(["cut", "reset", "500", "503"])
                self.close_connection = True
                if fault == "reset":
                    return
                if fault in ("500", "503"):
                    self.send_response(int(fault))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                connection = HTTPConnection(urlsplit(flaky.target).netloc, timeout=60)
                connection.request(self.command, self.path, request, dict(self.headers.items()))
                response = connection.getresponse()
                body = response.read()
                connection.close()
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                is_head = self.command == "HEAD"
                size = response.getheader("Content-Length") if is_head else len(body)
                self.send_header("Content-Length", str(size or 0))
                self.end_headers()
                self.wfile.write(b"" if is_head else body[: len(body) // 2 if fault else None])

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Tests print nothing."""

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    self.close_connection = True

        return ThreadingHTTPServer(address, Handler)
