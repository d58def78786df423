"""HTTP/1.1 with keep-alive on loopback, one thread for each connection."""

import contextlib
import logging
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from . import bedrock, control, sts
from .messages import ConnectionReset, Request, Response
from .state import State

_LOGGER = logging.getLogger(__name__)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
CLOSING_SECONDS = 5.0


class Server(ThreadingTCPServer):
    """A server that knows its open connections, so that it can close them."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, port: int, state: State) -> None:
        self.state = state
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._connections.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log the error, unless it is that the client has gone."""
        if not isinstance(sys.exception(), ConnectionError):
            _LOGGER.exception("request from %s failed", client_address)

    def server_close(self) -> None:
        """Close the listening socket and all connections; wait for their threads to let go."""
        super().server_close()
        self.state.closing.set()
        with self._changed:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._connections, CLOSING_SECONDS)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Head and body leave in one piece.
    wbufsize = -1
    is_reset = False

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, path, query, self.headers, self.rfile.read(length))
        try:
            self._send(_respond(self.server.state, request))
        except ConnectionReset:
            self.is_reset = self.close_connection = True

    # The base class looks its methods up under these names.
    do_GET = do_POST = _serve  # noqa: N815

    def _send(self, response: Response) -> None:
        body = response.body
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self.send_response(response.status)
        for name, value in (headers | response.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if response.is_cut else body)
        self.close_connection = self.close_connection or response.is_cut

    def finish(self) -> None:
        """End the connection, with a reset where that was asked for."""
        super().finish()
        if self.is_reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            # Closed here, before the base class would end it properly.
            self.connection.close()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` of a response: that of the virtual clock."""
        return super().date_time_string(self.server.state.now / 1000)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, the base class's name
        _LOGGER.debug(format, *args)


def _respond(state: State, request: Request) -> Response:
    if request.path.startswith(control.PREFIX):
        return control.respond(state, request)
    if request.path == "/":
        return sts.respond(state, request)
    return bedrock.respond(state, request)
