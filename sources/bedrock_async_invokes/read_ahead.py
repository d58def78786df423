"""A bounded pool of threads over all scopes, which reads ahead of what is loaded."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, Protocol

from .listing import Reading

READ_AHEAD_BYTES: Final = 50_000_000
"""Size of waiting readings, over all scopes, at which no more is requested."""

Call = Callable[[], Callable[[], None]]
"""Makes requests, in a thread of the pool; returns the function that adds their results."""


class ScopeReader(Protocol):
    """One scope. Each of these is quick, and called by one thread at a time."""

    @property
    def bytes_held(self) -> int:
        """Size of the readings that have not been handed out."""

    @property
    def is_ready(self) -> bool:
        """True if `next_reading` has an answer."""

    def next_call(self, *, has_room: bool) -> Call | None:
        """The next call; without room, only that for the reading that is handed out next."""

    def next_reading(self) -> Reading | None:
        """The next window that was read, None at the end; raises the error of the scope."""


class ReadAhead:
    """Makes up to `threads` calls at a time, until about `READ_AHEAD_BYTES` are waiting.

    The current scope comes first, then some after it. Reading goes on while the last reading is
    being loaded.
    """

    def __init__(self, threads: int, scopes: Iterable[ScopeReader]) -> None:
        self._threads = threads
        self._scopes = deque(scopes)
        self._busy = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="list-async-invokes")

    def next_reading(self) -> Reading | None:
        """The next reading of the current scope; None at its end."""
        with self._changed:
            current = self._scopes[0]
            self._start_calls()
            self._changed.wait_for(lambda: current.is_ready)
            reading = current.next_reading()
            self._start_calls()
        return reading

    def close_scope(self) -> None:
        """Make the next scope the current one."""
        with self._changed:
            self._scopes.popleft()

    def close(self) -> None:
        """Start no more calls, without waiting for those under way."""
        with self._changed:
            self._is_closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _start_calls(self) -> None:
        while self._busy < self._threads and (call := self._next_call()):
            self._busy += 1
            self._executor.submit(self._run, call)

    def _next_call(self) -> Call | None:
        scopes = list(islice(self._scopes, 2 * self._threads))
        has_room = sum(scope.bytes_held for scope in scopes) < READ_AHEAD_BYTES
        for scope in scopes if has_room else scopes[:1]:
            if call := scope.next_call(has_room=has_room):
                return call
        return None

    def _run(self, call: Call) -> None:
        add_result = call()
        with self._changed:
            add_result()
            self._busy -= 1
            if not self._is_closed:
                self._start_calls()
            self._changed.notify_all()
