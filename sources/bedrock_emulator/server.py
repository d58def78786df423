"""HTTP/1.1 with keep-alive on loopback, one thread for each connection."""

import contextlib
import logging
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from . import bedrock, control, sts
from .errors import ConnectionReset
from .requests import Answer, Request
from .world import World

_LOGGER = logging.getLogger(__name__)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
CLOSING_SECONDS = 5.0


class Server(ThreadingHTTPServer):
    """Serves a world, and knows its open connections so that it can close them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], world: World) -> None:
        self.world = world
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without the base class's look-up of the host's name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a new connection."""
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        super().shutdown_request(request)
        with self._changed:
            self._connections.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong, unless it is that the client has gone."""
        if not isinstance(sys.exception(), ConnectionError):
            _LOGGER.exception("request from %s failed", client_address)

    def server_close(self) -> None:
        """Close the listening socket and all connections; wait for their threads to let go."""
        super().server_close()
        self.world.closing.set()
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
            self._send(_dispatch(self.server.world, request))
        except ConnectionReset:
            self.is_reset = self.close_connection = True

    # The base class looks its methods up under these names.
    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes):
            self._send_whole(answer.body, is_cut=answer.is_cut)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in answer.body:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def _send_whole(self, body: bytes, *, is_cut: bool) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if is_cut else body)
        self.close_connection = self.close_connection or is_cut

    def finish(self) -> None:
        """End the connection, with a reset where that was asked for."""
        super().finish()
        if self.is_reset:
            linger = socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
            self.connection.setsockopt(*linger)
            # Closed here, before the base class would end it properly.
            self.connection.close()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` of an answer: that of the world's clock."""
        return super().date_time_string(self.server.world.now / 1000)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, the base class's name
        """Log requests for those who ask for debug messages."""
        _LOGGER.debug(format, *args)


def _dispatch(world: World, request: Request) -> Answer:
    if request.path.startswith(control.PREFIX):
        return control.answer(world, request)
    if request.path == "/":
        return sts.answer(world, request)
    return bedrock.answer(world, request)
