"""The faults that a scope can be given, and the dice and buckets behind them."""

import time
import zlib
from collections import Counter
from random import Random
from typing import Annotated, Any

from msgspec import Meta, Struct, convert

from .messages import ConnectionReset, ServiceError

MAX_EMPTY_PAGES = 3
Rate = Annotated[float, Meta(ge=0, le=1)]
NonNegative = Annotated[float, Meta(ge=0)]
Whole = Annotated[int, Meta(ge=0)]


class Faults(Struct, frozen=True, kw_only=True):
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
    error_503_rate: Rate = 0.0
    reset_rate: Rate = 0.0
    """The connection is reset (TCP RST) instead of an answer."""
    cut_body_rate: Rate = 0.0
    """Half of the body is sent under the Content-Length of all of it, then the end."""
    hang_rate: Rate = 0.0
    hang_seconds: NonNegative = 60.0
    """Time that a hanging call waits before it is answered after all."""
    access_denied: bool = False
    empty_page_rate: Rate = 0.0
    """A page without rows and with a valid token, at most three in a row."""
    short_pages: bool = False
    """Pages hold a random number of rows, at least one, up to what was asked for."""
    token_ttl_calls: Whole = 0
    """A page token is valid for this many further list calls of its scope."""
    late_visibility_seconds: NonNegative = 0.0
    """One row in four is listed only up to this long after its submit time."""
    after_inclusive: bool = False
    """True if submitTimeAfter includes its own instant."""
    before_inclusive: bool = False
    """True if submitTimeBefore includes its own instant."""
    retention_seconds: NonNegative = 0.0
    """Rows submitted longer ago than this are gone."""
    unknown_members: bool = False
    """Summaries carry members that botocore's model does not have."""
    latency_seconds: NonNegative = 0.0
    """Each call takes at least this long, as over a network; the emulator's own work counts."""

    @classmethod
    def parse(cls, settings: dict[str, Any]) -> "Faults":
        """Read faults from JSON; raises ValueError or ValidationError, naming what is wrong."""
        for name in settings:
            if name not in cls.__struct_fields__:
                known = ", ".join(cls.__struct_fields__)
                raise ValueError(f"unknown fault {name!r}; known are {known}")
        return convert(settings, cls)


class FaultInjector:
    """Decides, call by call, which of a scope's faults strike; counts each that does."""

    def __init__(self, faults: Faults, scope: str, counters: Counter[str]) -> None:
        self.faults = faults
        self._counters = counters
        self._dice: dict[str, Random] = {}
        self._scope = scope
        self._bucket = float(faults.throttle_burst)
        self._filled_at = time.monotonic()

    def _strikes(self, name: str, rate: float) -> bool:
        if not rate or self._die(name).random() >= rate:
            return False
        self._counters[name] += 1
        return True

    def _die(self, name: str) -> Random:
        # One stream for each fault: switching one on does not change when another strikes.
        if name not in self._dice:
            self._dice[name] = Random(f"{self.faults.seed}/{self._scope}/{name}")
        return self._dice[name]

    def check(self, action: str) -> None:
        """Raise the failure of a call, if it has one, before it does anything."""
        faults = self.faults
        if faults.access_denied:
            self._counters["access_denied"] += 1
            denied = f"perform: bedrock:{action} because no identity-based policy allows the"
            message = f"The caller is not authorized to {denied} bedrock:{action} action"
            raise ServiceError("AccessDeniedException", message, 403)
        if self._is_throttled():
            self._counters["throttled"] += 1
            message = "Too many requests, please wait before trying again."
            raise ServiceError("ThrottlingException", message, 429)
        if self._strikes("reset", faults.reset_rate):
            raise ConnectionReset
        if self._strikes("error_500", faults.error_500_rate):
            raise ServiceError("InternalServerException", "An internal error occurred.", 500)
        if self._strikes("error_503", faults.error_503_rate):
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

    def hang_seconds(self) -> float:
        """Seconds that this call waits before anything else."""
        return self.faults.hang_seconds if self._strikes("hung", self.faults.hang_rate) else 0

    def cuts_body(self) -> bool:
        """True if only half of this answer is to be sent."""
        return self._strikes("cut_body", self.faults.cut_body_rate)

    def empties_page(self, empty_pages: int) -> bool:
        """True if this page is to be empty, after so many empty ones in a row."""
        rate = self.faults.empty_page_rate if empty_pages < MAX_EMPTY_PAGES else 0
        return self._strikes("empty_page", rate)

    def page_length(self, max_results: int) -> int:
        """The largest number of rows on this page."""
        if not self.faults.short_pages:
            return max_results
        length = self._die("short_page").randint(1, max_results)
        if length < max_results:
            self._counters["short_page"] += 1
        return length


def visibility_delay(invocation_id: str, late_visibility_seconds: float) -> int:
    """Milliseconds after its submit time at which a row is listed: 0 for three in four."""
    draw = zlib.crc32(invocation_id.encode())
    if draw % 4:
        return 0
    return round(late_visibility_seconds * 1_000 * (draw // 4 % 10_000) / 10_000)
