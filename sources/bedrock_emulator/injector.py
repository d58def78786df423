"""The dice and buckets behind a scope's faults."""

import time
import zlib
from collections.abc import Callable
from random import Random

from .errors import ConnectionReset, ServiceError
from .faults import Faults

MOST_EMPTY_PAGES = 3
Count = Callable[[str], None]


class Injector:
    """Decides, call by call, which of a scope's faults strike; counts each that does."""

    def __init__(self, faults: Faults, scope: str, count: Count) -> None:
        self.faults = faults
        self._count = count
        self._dice: dict[str, Random] = {}
        self._scope = scope
        self._bucket = float(faults.throttle_burst)
        self._filled_at = time.monotonic()

    def _strikes(self, name: str, rate: float) -> bool:
        if not rate or self._die(name).random() >= rate:
            return False
        self._count(name)
        return True

    def _die(self, name: str) -> Random:
        # One stream for each fault: switching one on does not change when another strikes.
        if name not in self._dice:
            self._dice[name] = Random(f"{self.faults.seed}/{self._scope}/{name}")
        return self._dice[name]

    def failure(self, action: str) -> Exception | None:
        """What a call fails with before it does anything."""
        faults = self.faults
        if faults.access_denied:
            self._count("access_denied")
            return ServiceError(
                "AccessDeniedException",
                f"The caller is not authorized to perform: bedrock:{action} because no "
                f"identity-based policy allows the bedrock:{action} action",
                403,
            )
        if self._is_throttled():
            self._count("throttled")
            return ServiceError(
                "ThrottlingException", "Too many requests, please wait before trying again.", 429
            )
        if self._strikes("reset", faults.reset_rate):
            return ConnectionReset()
        if self._strikes("error_500", faults.error_500_rate):
            return ServiceError("InternalServerException", "An internal error occurred.", 500)
        if self._strikes("error_503", faults.error_503_rate):
            return ServiceError("ServiceUnavailableException", "Service is unavailable.", 503)
        return None

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
        """How long this call waits before anything else."""
        return self.faults.hang_seconds if self._strikes("hung", self.faults.hang_rate) else 0

    def cuts_body(self) -> bool:
        """Whether only half of this answer is sent."""
        return self._strikes("cut_body", self.faults.cut_body_rate)

    def empties_page(self, empty_pages: int) -> bool:
        """Whether this page is empty, after so many empty ones in a row."""
        return empty_pages < MOST_EMPTY_PAGES and self._strikes(
            "empty_page", self.faults.empty_page_rate
        )

    def page_length(self, asked: int) -> int:
        """How many rows this page has at most."""
        if not self.faults.short_pages:
            return asked
        length = self._die("short_page").randint(1, asked)
        if length < asked:
            self._count("short_page")
        return length


def visibility_delay(invocation_id: str, late_visibility_seconds: float) -> int:
    """Milliseconds after its submit time at which a row is listed: 0 for three in four."""
    draw = zlib.crc32(invocation_id.encode())
    if draw % 4:
        return 0
    return round(late_visibility_seconds * 1_000 * (draw // 4 % 10_000) / 10_000)
