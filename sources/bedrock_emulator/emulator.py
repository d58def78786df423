"""The emulator: a server, its thread and its control."""

import threading
from datetime import datetime
from typing import Self

from .control import Control
from .server import Server
from .state import State

DEFAULT_ACCOUNT, DEFAULT_REGION = "111122223333", "us-east-1"
STOP_SECONDS = 0.01
"""Maximum time until a server notices that it is to stop."""


class Emulator:
    """A local Bedrock on loopback, served from a daemon thread until it is closed.

    Its clock stands at ``now`` until it is moved. Port 0 takes a free one. Requests with a bearer
    token belong to ``bearer_account`` in ``default_region``, as bearer tokens carry neither.
    Raises OSError where the port is taken.
    """

    def __init__(
        self,
        now: datetime,
        *,
        port: int = 0,
        bearer_account: str = DEFAULT_ACCOUNT,
        default_region: str = DEFAULT_REGION,
    ) -> None:
        self._server = Server(port, State(now, (bearer_account, default_region)))
        self.url = "http://{}:{}".format(*self._server.server_address)
        self.control = Control(self.url)
        serve, name = self._server.serve_forever, "bedrock-emulator"
        self._thread = threading.Thread(target=serve, args=(STOP_SECONDS,), name=name, daemon=True)
        self._thread.start()

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
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            # Keep it last: readers of the command's output wait for this line.
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def serve_forever(self) -> None:
        """Wait until `close` is called in another thread, or the process is interrupted."""
        self._thread.join()

    def close(self) -> None:
        """Stop serving and close all connections, hanging ones too."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
