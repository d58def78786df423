"""Who may compute now: threads that all compute at once in one interpreter get little done."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets one thread at a time convert what it read, and the thread that takes rows in go first.

    Each change of threads within a page costs more than it brings: sixteen that convert at once
    take twice as long as one after the other, and leave a thread with other work waiting.
    """

    def __init__(self) -> None:
        self._readers = threading.Lock()
        self._next = threading.Lock()
        self._turn = threading.Lock()

    @contextmanager
    def reader(self) -> Iterator[None]:
        """One of the threads that read: they wait for each other, and for the one that takes in."""
        with self._readers, self.first():
            yield

    @contextmanager
    def first(self) -> Iterator[None]:
        """The thread that takes in: it waits for one reader at most."""
        with self._next:
            self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()


TURNS = Turns()
"""Of this process, since it has one interpreter."""
