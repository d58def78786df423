"""One thread computes at a time."""

import threading

from sources.bedrock_async_invokes.turns import Turns

ROUNDS = 200


def test_one_thread_at_a_time_has_the_turn() -> None:
    turns, inside, most = Turns(), 0, 0

    def take_turns(turn: object) -> None:
        nonlocal inside, most
        for _ in range(ROUNDS):
            with turn():  # type: ignore[operator]
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
        try:
            with turn():
                raise ValueError
        except ValueError:
            pass
