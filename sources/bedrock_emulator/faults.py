"""The faults that a scope can be given, and the dice and the bucket behind them."""

import time
import zlib
from collections import Counter
from random import Random
from typing import Annotated

from msgspec import Meta, Struct

from .messages import ConnectionReset, ServiceError

MAX_EMPTY_PAGES = 3
Rate = Annotated[float, Meta(ge=0, le=1)]
NonNegative = Annotated[float, Meta(ge=0)]
Whole = Annotated[int, Meta(ge=0)]


class Faults(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The faults of a scope; the default is a healthy Bedrock.

    Rates are probabilities per call in 0..1. Zero switches a fault off.
    """

    seed: Whole = 0
    """Of the randomness: equal faults and equal calls in equal order fail equally."""
    throttle_per_second: NonNegative = 0.0
    """Calls per second of real time that a token bucket lets through."""
    throttle_burst: Whole = 1
    """Size of that bucket."""
    error_500_rate: Rate = 0.0
    """A call fails with InternalServerException."""
    error_503_rate: Rate = 0.0
    """A call fails with ServiceUnavailableException."""
    reset_rate: Rate = 0.0
    """The connection is reset (TCP RST) instead of an answer."""
    cut_body_rate: Rate = 0.0
    """Half of the body is sent under the Content-Length of all of it, then the end."""
    hang_rate: Rate = 0.0
    """A call waits for `hang_seconds` before anything else."""
    hang_seconds: NonNegative = 60.0
    """Time that a hanging call waits before it is answered after all."""
    access_denied: bool = False
    """Every call fails with AccessDeniedException."""
    empty_page_rate: Rate = 0.0
    """A page without rows and with a valid token, at most three in a row."""
    short_pages: bool = False
    """Pages hold a random number of rows, at least one, up to what was asked for."""
    token_ttl_calls: Whole = 0
    """A page token is valid for this many further list calls of its scope."""
    late_visibility_seconds: NonNegative = 0.0
    """One row in four is listed only up to this long after its submit time."""
    after_inclusive: bool = False
    """`submitTimeAfter` includes its own instant."""
    before_inclusive: bool = False
    """`submitTimeBefore` includes its own instant."""
    retention_seconds: NonNegative = 0.0
    """Invocations submitted longer ago than this are gone."""
    unknown_members: bool = False
    """Summaries carry members that botocore's model does not have."""
    latency_seconds: NonNegative = 0.0
    """Each call takes at least this long, as over a network; the emulator's own work counts."""


HEALTHY = Faults()


class FaultInjector:
    """Decides, call by call, which of a scope's faults strike; counts each that does."""

    def __init__(self, faults: Faults, scope: str, counters: Counter[str]) -> None:
        self.faults = faults
        self._counters = counters
        self._rng = Random(f"{faults.seed}/{scope}")
        self._bucket = float(faults.throttle_burst)
        self._filled_at = time.monotonic()

    def strikes(self, name: str, rate: float) -> bool:
        """True if a fault of this rate strikes; counts it under its name."""
        is_struck = self._rng.random() < rate
        self._counters[name] += is_struck
        return is_struck

    def check(self, action: str) -> None:
        """Raise the failure of a call, if it has one, before it does anything."""
        faults = self.faults
        if self.strikes("access_denied", faults.access_denied):
            denied = f"perform: bedrock:{action} because no identity-based policy allows the"
            message = f"The caller is not authorized to {denied} bedrock:{action} action"
            raise ServiceError("AccessDeniedException", message, 403)
        if self.strikes("throttled", self._is_throttled()):
            message = "Too many requests, please wait before trying again."
            raise ServiceError("ThrottlingException", message, 429)
        if self.strikes("reset", faults.reset_rate):
            raise ConnectionReset
        if self.strikes("error_500", faults.error_500_rate):
            raise ServiceError("InternalServerException", "An internal error occurred.", 500)
        if self.strikes("error_503", faults.error_503_rate):
            raise ServiceError("ServiceUnavailableException", "Service is unavailable.", 503)

    def _is_throttled(self) -> bool:
        if not self.faults.throttle_per_second:
            return False
        now = time.monotonic()
        gained = (now - self._filled_at) * self.faults.throttle_per_second
        self._bucket = min(self._bucket + gained, float(self.faults.throttle_burst))
        self._filled_at = now
        if self._bucket < 1:
            return True
        self._bucket -= 1
        return False

    def page_length(self, max_results: int, empty_pages: int) -> int:
        """The largest number of rows on this page, after so many empty ones in a row."""
        may_be_empty = empty_pages < MAX_EMPTY_PAGES
        if may_be_empty and self.strikes("empty_page", self.faults.empty_page_rate):
            return 0
        length = self._rng.randint(1, max_results) if self.faults.short_pages else max_results
        self._counters["short_page"] += length < max_results
        return length


def visibility_delay(invocation_id: str, late_visibility_seconds: float) -> int:
    """Milliseconds after its submit time at which a row is listed: 0 for three in four."""
    draw = zlib.crc32(invocation_id.encode())
    if draw % 4:
        return 0
    return round(late_visibility_seconds * 1_000 * (draw // 4 % 10_000) / 10_000)
