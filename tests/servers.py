"""Services of one's own, on loopback, for as long as they are entered."""

from abc import ABC, abstractmethod
from socketserver import TCPServer
from threading import Event, Thread
from typing import Self


class Service(ABC):
    """Serves from a thread, on a free port."""

    @abstractmethod
    def make_server(self, address: tuple[str, int]) -> TCPServer:
        """What listens there and answers."""

    def __enter__(self) -> Self:
        self.released = Event()
        """Set at the end: what an answer may wait for that never comes."""
        self._server = self.make_server(("127.0.0.1", 0))
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"
