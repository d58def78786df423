"""A webhook that takes messages in the form of Slack's incoming webhooks."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import botocore.session
import requests

from bedrock_async_etl.configuration import filtered
from bedrock_async_etl.errors import UsageError
from bedrock_async_invokes.client import ca_bundle

TIMEOUT_SECONDS: Final = 10
ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""Characters that begin a mention or a link: https://docs.slack.dev/messaging/formatting-message-text."""


@dataclass(frozen=True)
class Webhook:
    """The URL that messages are posted to. Anyone who knows it can post: it is shown nowhere."""

    url: str = field(repr=False)

    def __post_init__(self) -> None:
        """Raise `UsageError` for a URL that others could read on its way, or that is none."""
        if not _is_private(self.url):
            raise UsageError(
                "--notify takes an https:// URL, or an http:// one of this machine. The one given "
                "is neither; it is not shown, since it is a secret."
            )

    def post(self, text: str, timeout_seconds: float = TIMEOUT_SECONDS) -> str | None:
        """Post a message; returns None when it was taken, else the reason in one sentence.

        The errors of `requests` contain the URL, so only their class is named. They are `OSError`s,
        as is that of a CA bundle which does not exist.
        """
        document = {"text": text.translate(ESCAPES)}
        try:
            with (
                # The path of each request is the secret part of the URL.
                filtered("urllib3.connectionpool", lambda record: False),
                requests.post(
                    self.url,
                    json=document,
                    timeout=timeout_seconds,
                    allow_redirects=False,  # the message would go to a host that nobody named
                    stream=True,  # the body is not read, however long it is
                    verify=ca_bundle(botocore.session.get_session()) or True,
                ) as response,
            ):
                is_taken = response.ok and not response.is_redirect
                return None if is_taken else f"it answered with {response.status_code}."
        except (OSError, ValueError) as error:
            return f"{type(error).__name__}: is the URL right, and can it be reached from here?"


def _is_private(url: str) -> bool:
    """True if nobody can read a request to the URL on its way."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and _is_here(host)))


def _is_here(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
