"""The emulator: a world, and a server of it."""

import threading
from datetime import datetime
from types import TracebackType
from typing import Self

from .control.client import Control
from .server import Server
from .world import World

DEFAULT_ACCOUNT, DEFAULT_REGION = "111122223333", "us-east-1"


class Emulator:
    """A local Bedrock on loopback, whose clock stands at ``now`` until it is moved.

    Used as a context manager it serves from a daemon thread. Port 0 takes a free one. Requests
    with a bearer token belong to ``bearer_account`` in ``default_region``, as bearer tokens
    carry neither. Raises OSError where the port is taken.
    """

    def __init__(
        self,
        now: datetime,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        bearer_account: str = DEFAULT_ACCOUNT,
        default_region: str = DEFAULT_REGION,
    ) -> None:
        world = World(now, bearer_account=bearer_account, default_region=default_region)
        self._server = Server((host, port), world)
        self._thread: threading.Thread | None = None
        self._is_started = False
        self.url = f"http://{host}:{self._server.server_port}"
        self.control = Control(self.url)

    def environment(
        self, account: str = DEFAULT_ACCOUNT, region: str = DEFAULT_REGION
    ) -> dict[str, str]:
        """The environment variables that point an AWS SDK at this emulator."""
        return {
            "AWS_ACCESS_KEY_ID": f"AKIA{account}EMUL",
            "AWS_SECRET_ACCESS_KEY": "emulator",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.url,
            "AWS_ENDPOINT_URL_STS": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def serve_forever(self) -> None:
        """Serve until `close` is called in another thread, or the process is interrupted."""
        if self._thread:
            self._thread.join()
        else:
            self._is_started = True
            self._server.serve_forever()

    def __enter__(self) -> Self:
        """Start serving."""
        self._is_started = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="bedrock-emulator", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.close()

    def close(self) -> None:
        """Stop serving and close all connections, hanging ones too."""
        # Shutting down a server that never served would wait forever.
        if self._is_started:
            self._server.shutdown()
        self._server.server_close()
        if self._thread:
            self._thread.join()
            self._thread = None
