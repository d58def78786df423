"""The pace of one scope's calls: as fast as it answers, or as fast as it lets through."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.client import BaseClient

OPERATION: Final = "bedrock-runtime.ListAsyncInvokes"
THROTTLING_CODES: Final = frozenset(
    {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}
)
THROTTLED_SECONDS: Final = 120
"""Time without one answer after which a throttled scope counts as failed."""

FIRST_INTERVAL_SECONDS: Final = 0.01
LONGEST_INTERVAL_SECONDS: Final = 5.0
LARGEST_STEP: Final = 2.0
SMALLEST_STEP: Final = 1.03
LARGE_STEP: Final = 1.1
ANSWERS_PER_LARGE_STEP: Final = 6
ANSWERS_PER_STEP: Final = 40
"""Answers that undo one refusal: about one call in 40 is refused in the long run."""
ANSWERS_NEAR: Final = 3
"""Answers before a refusal that show that the interval was nearly right."""
ANSWERS_UNTIL_LARGER: Final = 60
ANSWERS_BETWEEN_LARGER: Final = 20
"""Answers in a row after which steps grow, and further answers after which they grow again."""


class Pace:
    """Calls of one scope start at least an interval apart, learned from the service's refusals.

    The interval is 0 until the first refusal. A refusal lengthens it by a step, and answers shorten
    it bit by bit. Steps shrink as it settles around what the service lets through, and grow when
    that has moved. The interval holds for all threads that read the scope together.
    """

    def __init__(
        self, stopping: threading.Event, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stopping = stopping
        self._clock = clock
        self._lock = threading.Lock()
        self._sent = threading.local()
        self._interval = 0.0
        self._step = LARGEST_STEP
        self._started_at = 0.0
        self._next_start = 0.0
        self._changed_at = 0.0
        self._answers = 0
        """Since the last refusal."""
        self._refused_since: float | None = None
        self._call_seconds = 0.0

    def watch(self, client: BaseClient) -> None:
        """Let a client's calls keep this pace, and repeat those that are throttled.

        botocore's own waiting knows nothing of the other threads; its retries handle other faults.
        """
        events = client.meta.events
        events.register(f"before-send.{OPERATION}", self._wait)
        events.register(f"response-received.{OPERATION}", self._learn)
        events.register_first(f"needs-retry.{OPERATION}", self._retry)

    @property
    def useful_calls(self) -> float:
        """Calls in flight that keep up this pace; more would only wait."""
        with self._lock:
            return 1 + self._call_seconds / self._interval if self._interval else float("inf")

    @property
    def is_given_up(self) -> bool:
        """True after nothing but refusals for `THROTTLED_SECONDS`."""
        since = self._refused_since
        return since is not None and self._clock() - since > THROTTLED_SECONDS

    def start(self) -> float:
        """Start a call if it is time, and return 0; else the seconds until it may be."""
        with self._lock:
            now = self._clock()
            if now < self._next_start:
                return self._next_start - now
            self._started_at = now
            self._next_start = now + self._interval
            return 0.0

    def answered(self, sent_at: float) -> None:
        """Learn from an answer to a call sent at that time of the clock, in seconds."""
        with self._lock:
            self._refused_since = None
            self._call_seconds += 0.2 * (self._clock() - sent_at - self._call_seconds)
            self._answers += 1
            answers = ANSWERS_PER_LARGE_STEP if self._step > LARGE_STEP else ANSWERS_PER_STEP
            self._interval *= self._step ** (-1 / answers)
            more = self._answers - ANSWERS_UNTIL_LARGER
            if more >= 0 and more % ANSWERS_BETWEEN_LARGER == 0:
                self._step = min(LARGEST_STEP, self._step**2)

    def refused(self, sent_at: float) -> None:
        """Learn from a call sent at that time, which was throttled.

        A call sent before the last change of the interval says nothing about it. The last call
        came too early by as much as the interval grows, and is repeated after that.
        """
        now = self._clock()
        with self._lock:
            self._refused_since = self._refused_since or now
            if sent_at < self._changed_at:
                return
            step = self._step ** (0.5 if self._answers >= ANSWERS_NEAR else 1.5)
            self._step = min(LARGEST_STEP, max(SMALLEST_STEP, step))
            longer = max(FIRST_INTERVAL_SECONDS, self._interval * self._step)
            longer = min(LONGEST_INTERVAL_SECONDS, longer)
            if sent_at >= self._started_at and longer > self._interval:
                self._next_start = max(now, self._started_at + longer - self._interval)
            self._interval = longer
            self._answers = 0
            self._changed_at = now

    def _wait(self, **_: Any) -> None:
        while (seconds := self.start()) and not self._stopping.wait(seconds):
            pass
        self._sent.at = self._clock()

    def _learn(self, parsed_response: dict[str, Any] | None, **_: Any) -> None:
        if is_throttled(parsed_response):
            self.refused(self._sent.at)
        elif parsed_response is not None:
            self.answered(self._sent.at)

    def _retry(self, response: Any, **_: Any) -> float | None:
        """Repeat a refused call at once: `_wait` then delays it."""
        is_refused = response is not None and is_throttled(response[1])
        return 0.0 if is_refused and not self._stopping.is_set() and not self.is_given_up else None


def is_throttled(parsed_response: Mapping[str, Any] | None) -> bool:
    """True if the service refused a call because there were too many."""
    return (parsed_response or {}).get("Error", {}).get("Code") in THROTTLING_CODES
