"""One bounded pool of threads over all scopes: what is given out first is read first."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol

from .chain import Reading
from .settings import READ_AHEAD_BYTES

Task = Callable[[], Callable[[], None]]
"""Makes calls, in a thread of the pool; what it returns takes their results in."""


class Reader(Protocol):
    """One scope as the pool sees it. Each of these is quick, and called by one thread at a time."""

    @property
    def bytes_held(self) -> int:
        """Size of what was read and has not been given out."""

    @property
    def is_ready(self) -> bool:
        """Whether `give` has an answer."""

    def pick(self, *, has_room: bool) -> Task | None:
        """What to do next; without room, what is given out next or nothing."""

    def give(self) -> Reading | None:
        """The next window that was read, None at the end; raises what it failed with."""


class ReadingPool:
    """Reads up to `threads` windows at a time, until about `READ_AHEAD_BYTES` are waiting.

    The reader whose turn it is comes first, then some after it. The pool goes on reading while
    what it gave out is being loaded.
    """

    def __init__(self, threads: int, readers: Iterable[Reader]) -> None:
        self._threads = threads
        self._waiting = deque(readers)
        self._busy = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="list-async-invokes")

    def give(self) -> Reading | None:
        """The next window of the reader whose turn it is; None at its end."""
        with self._changed:
            current = self._waiting[0]
            self._start_tasks()
            self._changed.wait_for(lambda: current.is_ready)
            reading = current.give()
            self._start_tasks()
        return reading

    def move_on(self) -> None:
        """It is the next reader's turn."""
        with self._changed:
            self._waiting.popleft()

    def close(self) -> None:
        """Start nothing more; calls under way are not waited for."""
        with self._changed:
            self._is_closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _start_tasks(self) -> None:
        while self._busy < self._threads and (task := self._next_task()):
            self._busy += 1
            self._executor.submit(self._run, task)

    def _next_task(self) -> Task | None:
        readers = list(islice(self._waiting, 2 * self._threads))
        has_room = sum(reader.bytes_held for reader in readers) < READ_AHEAD_BYTES
        for reader in readers if has_room else readers[:1]:
            if task := reader.pick(has_room=has_room):
                return task
        return None

    def _run(self, task: Task) -> None:
        take_in = task()
        with self._changed:
            take_in()
            self._busy -= 1
            if not self._is_closed:
                self._start_tasks()
            self._changed.notify_all()
