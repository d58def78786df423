"""One thread computes at a time."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from bedrock_async_invokes.turns import Turns

ROUNDS = 200


def test_one_thread_at_a_time_has_the_turn() -> None:
    turns, inside, most = Turns(), 0, 0

    def take_turns(turn: Callable[[], AbstractContextManager[None]]) -> None:
        nonlocal inside, most
        for _ in range(ROUNDS):
            with turn():
                inside += 1
                most = max(most, inside)
                inside -= 1

    kinds = (turns.reader, turns.reader, turns.reader, turns.first)
    threads = [threading.Thread(target=take_turns, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)


def test_a_failure_gives_the_turn_back() -> None:
    turns = Turns()
    for turn in (turns.reader, turns.first, turns.reader):
        with pytest.raises(ValueError, match="in the middle"), turn():
            raise ValueError("in the middle")
