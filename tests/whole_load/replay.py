"""A history that breaks a promise, as a script that repeats it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hypothesis.stateful import RuleBasedStateMachine

STEP: Final = "state."


@contextmanager
def told_as_script(machine: type[RuleBasedStateMachine]) -> Iterator[None]:
    """Note the script on what a machine's run raises: the smallest history that was found."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"A script that repeats it:\n\n{script(error, machine)}")
        raise


def script(error: BaseException, machine: type[RuleBasedStateMachine]) -> str:
    """The history that Hypothesis notes on an error, in Python."""
    notes = "\n".join(getattr(error, "__notes__", [])).splitlines()
    lines = [
        f"from {machine.__module__} import {machine.__qualname__}",
        "",
        'if __name__ == "__main__":',
        f"    state = {machine.__qualname__}()",
        *(f"    {line}" for line in notes if line.startswith(STEP)),
    ]
    return "\n".join(lines) + "\n"
