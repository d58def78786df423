"""Notifications by apprise: to Slack, Teams, mail, PagerDuty, a URL of one's own, and others."""

import json
import logging
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, Literal

import botocore.session
import dlt

from bedrock_async_etl.configuration import environment, filtered
from bedrock_async_etl.errors import UsageError, require
from bedrock_async_etl.logs import log_event
from bedrock_async_invokes.client import ca_bundle

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

TIMEOUT_SECONDS: Final = 10
REFUSED: Final = re.compile(r"\berror=(\d{3})\b")
"""An HTTP status as apprise's plugins log it; the rest of a line may hold a secret."""
SERVICES: Final = "https://appriseit.com/services/"
Severity = Literal["info", "warning", "failure"]


@dataclass(frozen=True)
class Message:
    """Plain text: nothing in it can become a mention or a link."""

    title: str
    body: str
    severity: Severity
    """Decides apprise's colour, and whom PagerDuty wakes."""


@dataclass(frozen=True)
class Receiver:
    """A service that takes messages. Its URL is never shown, since whoever knows it can post."""

    service: "NotifyBase" = field(repr=False)
    name: str
    """Name of the service, without its URL."""
    timeout_seconds: float = TIMEOUT_SECONDS

    def post(self, message: Message) -> str | None:
        """Post a message; returns None when it was taken, else the reason in one sentence."""
        from apprise import Apprise, NotifyFormat
        from apprise.result import AppriseResultStatus

        logged: list[str] = []
        with ExitStack() as stack:
            for name in ("apprise", "urllib3.connectionpool"):  # both log parts of the URL
                stack.enter_context(filtered(name, lambda record: _keep(record, logged)))
            stack.enter_context(environment(_certificates()))
            posted = Apprise([self.service], asset=self.service.asset).notify(
                title=message.title,
                body=message.body,
                notify_type=message.severity,
                body_format=NotifyFormat.TEXT,
            )
        if posted:
            return None
        if posted.status == AppriseResultStatus.TIMEOUT:
            return f"it did not answer within {self.timeout_seconds:g} s."
        statuses = [match[1] for line in logged if (match := REFUSED.search(line))]
        if statuses:
            return f"it answered with {statuses[-1]}."
        return "is the URL right, and can it be reached from here?"


def post(message: Message, receivers: Sequence[Receiver]) -> bool | None:
    """Post a message everywhere; False where a service did not take it, None without any.

    A failure is one line on stderr.
    """
    reasons = [(receiver.name, receiver.post(message)) for receiver in receivers]
    failed = [f"{name} failed: {reason}" for name, reason in reasons if reason]
    for line in failed:
        log_event("notification_failed", line, logging.WARNING)
    return not failed if receivers else None


def find_receivers(
    section: str, urls: Sequence[str] | None = None, timeout_seconds: float = TIMEOUT_SECONDS
) -> list[Receiver]:
    """The services at the URLs, else at those of `notify` in a section of dlt's secrets.

    Raises `UsageError` for what is no notification URL, and `CommandError` without the extra.
    """
    urls = urls or _configured_urls(section)
    if not urls:
        return []
    require("apprise", "notify", "--notify")
    from apprise import AppriseAsset

    asset = AppriseAsset(
        app_id="bedrock-async-etl",
        http_redirects=False,  # the message would go to a host that nobody named
        service_timeout=timeout_seconds,
        storage_mode="memory",  # no files
        pgp_autogen=False,  # and no keys made
        pem_autogen=False,
    )
    receivers = []
    for number, url in enumerate(urls, 1):
        which = f"Notification {number} of {len(urls)}"
        service = _service(url, which, asset)
        receivers.append(Receiver(service, f"{which} ({service.service_name})", timeout_seconds))
    return receivers


def _configured_urls(section: str) -> list[str]:
    """One URL, or a list, which is JSON in the environment."""
    found: Any = dlt.secrets.get(f"{section}.notify")
    if isinstance(found, str) and found.startswith("["):
        try:
            found = json.loads(found)
        except ValueError:
            raise UsageError(f"{section}.notify cannot be read: a list of URLs is JSON.") from None
    return [found] if isinstance(found, str) and found else list(found or ())


def _service(url: str, which: str, asset: "AppriseAsset") -> "NotifyBase":
    """The service; raises `UsageError` where messages could be lost, or read on their way."""
    from apprise import Apprise, AppriseAttachment

    # Apprise's own configuration, in files and at URLs, is no service.
    with filtered("apprise", lambda record: False):
        service = Apprise.instantiate(url, asset=asset)
    template = getattr(service, "template", None)
    if service is None:
        problem = f"is none that apprise knows ({SERVICES}), such as jsons://HOST/PATH"
    elif isinstance(template, AppriseAttachment) and len(template):
        problem = "has a template, which is a file of its own: leave it out"
    elif not (service.secure or service.protocol is None or _is_here(service.host)):
        problem = "is not encrypted: use jsons:// or mailtos://, for instance, or this machine"
    else:
        return service
    raise UsageError(
        f"{which}: the URL {problem}. It is not shown, since it is a secret (--notify)."
    )


def _is_here(host: str | None) -> bool:
    try:
        return host in (None, "", "localhost") or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _certificates() -> dict[str, str | None]:
    """The certificates that AWS's clients trust, for apprise's HTTP library."""
    bundle = ca_bundle(botocore.session.get_session())
    return {"REQUESTS_CA_BUNDLE": bundle} if bundle else {}


def _keep(record: logging.LogRecord, logged: list[str]) -> bool:
    """Keep the line here, and log it nowhere."""
    logged.append(record.getMessage())
    return False
