"""A company's proxy: it alone knows what the names of hosts mean, and it wants a password."""

import base64
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer
from threading import Thread
from typing import Final

from tests.servers import Service

AUTHORIZATION: Final = b"Proxy-Authorization: Basic " + base64.b64encode(b"user:s@cret")


@dataclass
class Proxy(Service):
    """Connects every host to one port of this machine, for those who give the password."""

    port: int
    tunnels: Counter[str] = field(default_factory=Counter)
    """Number of tunnels, by `HOST:PORT`."""

    @property
    def url_with_password(self) -> str:
        """The URL as a variable has it, with a character of the password escaped."""
        return self.url.replace("://", "://user:s%40cret@")

    def make_server(self, address: tuple[str, int]) -> TCPServer:
        proxy = self

        class Handler(StreamRequestHandler):
            rbufsize = 0  # What follows the request belongs to the tunnel.
            disable_nagle_algorithm = True

            def handle(self) -> None:
                method, target, _ = self.rfile.readline().decode().split()
                headers = []
                while header := self.rfile.readline().strip():
                    headers.append(header.lower())
                if method != "CONNECT" or AUTHORIZATION.lower() not in headers:
                    self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                    return
                proxy.tunnels[target] += 1
                with socket.create_connection(("127.0.0.1", proxy.port)) as upstream:
                    upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.wfile.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
                    back = Thread(target=_copy, args=(upstream, self.connection), daemon=True)
                    back.start()
                    _copy(self.connection, upstream)
                    back.join()

        class Server(ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

        return Server(address, Handler)


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Pass on what one side sends, and that it has ended."""
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
