"""How fast one scope is asked: as fast as it answers, or as fast as it lets through."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from botocore.client import BaseClient

from .calls import OPERATION, is_throttled
from .settings import THROTTLED_SECONDS

FIRST_INTERVAL_SECONDS: Final = 0.01
LONGEST_INTERVAL_SECONDS: Final = 5.0
LARGEST_STEP: Final = 2.0
SMALLEST_STEP: Final = 1.03
LARGE_STEP: Final = 1.1
ANSWERS_PER_LARGE_STEP: Final = 6
ANSWERS_PER_STEP: Final = 40
"""So many answers undo what one refusal did: about one call in 40 is refused for good."""
ANSWERS_NEAR: Final = 3
"""Where at least so many answers came before a refusal, the interval was nearly right."""
ANSWERS_UNTIL_LARGER: Final = 60
ANSWERS_BETWEEN_LARGER: Final = 20
"""After so many answers in a row, and again each time that so many more came, steps grow."""


class Pace:
    """Calls of one scope start at least an interval apart, which the service's refusals teach.

    The interval is 0 until the first refusal. A refusal lengthens it by a step, and answers shorten
    it bit by bit. Steps shrink as it settles around what the service lets through, and grow where
    that has moved. It holds for all threads that read the scope: however many there are, they do
    not ask faster than one alone would.
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

        botocore's own waiting takes no notice of the other threads; its retries look after all
        other faults.
        """
        events = client.meta.events
        events.register(f"before-send.{OPERATION}", self._wait)
        events.register(f"response-received.{OPERATION}", self._learn)
        events.register_first(f"needs-retry.{OPERATION}", self._retry)

    @property
    def useful_calls(self) -> float:
        """How many calls at once keep up this pace; more would only wait."""
        with self._lock:
            return 1 + self._call_seconds / self._interval if self._interval else float("inf")

    @property
    def is_given_up(self) -> bool:
        """Whether there were nothing but refusals for `THROTTLED_SECONDS`."""
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
        """A call sent at that time (of the clock, in seconds) was let through."""
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
        """A call sent at that time was throttled.

        One that was sent before the last change of the interval tells nothing about it. The last
        one came too early by what the interval lacked, and is repeated after that.
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
        """Repeat a refused call at once: it waits for its turn then."""
        is_refused = response is not None and is_throttled(response[1])
        return 0.0 if is_refused and not self._stopping.is_set() and not self.is_given_up else None
