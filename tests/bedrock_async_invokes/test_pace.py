"""How fast a scope is asked, against a service that is simulated together with its clock."""

import heapq
import random
import threading
from dataclasses import dataclass
from itertools import count

import pytest

from bedrock_async_invokes.pace import THROTTLED_SECONDS, Pace


@dataclass
class Service:
    """A token bucket: so many calls a second, so many at once."""

    rate: float
    burst: float
    tokens: float = 0.0
    filled_at: float = 0.0
    answered: int = 0
    refused: int = 0

    def answers(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        is_answered = self.tokens >= 1
        self.tokens -= is_answered
        self.answered += is_answered
        self.refused += not is_answered
        return is_answered


class Simulation:
    """Threads that call one after the other without end, each call taking a while."""

    def __init__(self, service: Service, threads: int, latency: float) -> None:
        self.now = 0.0
        self.service = service
        self.pace = Pace(threading.Event(), lambda: self.now)
        self._latency = latency
        self._random = random.Random(0)
        self._order = count()
        self._sent_at = dict.fromkeys(range(threads), 0.0)
        self._events = [(0.0, next(self._order), "starts", thread) for thread in range(threads)]

    def run_until(self, end: float) -> None:
        while self._events[0][0] < end:
            self.now, _, event, thread = heapq.heappop(self._events)
            if event == "starts":
                self._start(thread)
            else:
                self._end(thread)

    def _start(self, thread: int) -> None:
        if seconds := self.pace.start():
            self._later(seconds, "starts", thread)
        else:
            self._sent_at[thread] = self.now
            self._later(self._latency, "ends", thread)

    def _end(self, thread: int) -> None:
        if self.service.answers(self.now):
            self.pace.answered(self._sent_at[thread])
        else:
            self.pace.refused(self._sent_at[thread])
        self._later(0.0, "starts", thread)

    def _later(self, seconds: float, event: str, thread: int) -> None:
        # Two milliseconds of what else a machine does.
        at = self.now + seconds + self._random.random() * 0.002
        heapq.heappush(self._events, (at, next(self._order), event, thread))


def test_nothing_waits_until_the_service_refuses() -> None:
    simulation = Simulation(Service(rate=1e9, burst=1e9), threads=8, latency=0.1)
    simulation.run_until(10)
    assert simulation.service.answered >= 0.95 * 8 * 10 / 0.1


@pytest.mark.parametrize("threads", [1, 8, 16])
@pytest.mark.parametrize("latency", [0.002, 0.1])
@pytest.mark.parametrize("burst", [1, 5])
def test_nine_tenths_of_what_is_let_through_is_used(
    burst: float, latency: float, threads: int
) -> None:
    service = Service(rate=5, burst=burst)
    Simulation(service, threads, latency).run_until(60)
    assert service.answered >= 0.9 * 5 * 60
    assert service.refused <= 0.25 * service.answered


def test_a_refused_call_is_repeated_as_soon_as_it_came_too_early() -> None:
    service = Service(rate=5, burst=1)
    Simulation(service, threads=1, latency=0.002).run_until(60)
    assert service.answered >= 0.96 * 5 * 60


@pytest.mark.parametrize("rate", [1, 5, 50])
def test_many_threads_get_no_less_than_one(rate: float) -> None:
    one, many = Service(rate, burst=1), Service(rate, burst=1)
    Simulation(one, threads=1, latency=0.002).run_until(60)
    Simulation(many, threads=16, latency=0.002).run_until(60)
    assert many.answered >= one.answered / 1.1


def test_it_follows_where_the_limit_goes() -> None:
    service = Service(rate=5, burst=5)
    simulation = Simulation(service, threads=8, latency=0.01)
    simulation.run_until(30)
    service.rate, service.answered = 50, 0
    simulation.run_until(90)
    assert service.answered >= 0.6 * 50 * 60


def test_few_calls_at_once_are_enough_for_a_slow_service() -> None:
    simulation = Simulation(Service(rate=5, burst=1), threads=8, latency=0.1)
    assert simulation.pace.useful_calls == float("inf")
    simulation.run_until(30)
    assert simulation.pace.useful_calls < 3


def test_a_scope_that_is_only_refused_is_given_up() -> None:
    simulation = Simulation(Service(rate=0, burst=0), threads=2, latency=0.01)
    simulation.run_until(THROTTLED_SECONDS - 1)
    assert not simulation.pace.is_given_up
    simulation.run_until(THROTTLED_SECONDS + 10)
    assert simulation.pace.is_given_up
    assert simulation.service.refused < THROTTLED_SECONDS


def test_one_answer_is_hope() -> None:
    service = Service(rate=0, burst=1)
    simulation = Simulation(service, threads=1, latency=0.01)
    simulation.run_until(THROTTLED_SECONDS - 1)
    service.tokens = 1
    simulation.run_until(THROTTLED_SECONDS + 10)
    assert not simulation.pace.is_given_up
