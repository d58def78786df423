"""The service's clock, which is the one that `submitTime` and `endTime` come from."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.client import BaseClient

from .calls import OPERATION
from .settings import CLOCK_TOLERANCE_SECONDS


class ServiceClock:
    """Tells the time as the service's `Date` headers do, where this machine's clock is off.

    The age of an open invocation is its scope's last run less its `submitTime`: two clocks.
    """

    def __init__(self) -> None:
        self._offset = timedelta(0)

    def watch(self, client: BaseClient) -> None:
        """Take the time from every answer of a client."""
        client.meta.events.register(f"response-received.{OPERATION}", self._compare)

    def now(self) -> datetime:
        """The service's time, UTC."""
        return self.at(datetime.now(UTC))

    def at(self, local: datetime) -> datetime:
        """The service's time at a local one; an answer from the last second of 9999 tells none.

        Where the local clock is off, it is told as the headers tell it, in whole seconds: their
        fractions would put what was read later before what was read earlier.
        """
        if not self._offset:
            return local
        try:
            return (local + self._offset).replace(microsecond=0)
        except OverflowError:
            return local

    def _compare(self, response_dict: Mapping[str, Any] | None, **_: Any) -> None:
        date = (response_dict or {}).get("headers", {}).get("Date")
        try:
            offset = parsedate_to_datetime(date or "").astimezone(UTC) - datetime.now(UTC)
        except (ValueError, OverflowError):
            return
        is_off = abs(offset) > timedelta(seconds=CLOCK_TOLERANCE_SECONDS)
        self._offset = offset if is_off else timedelta(0)
