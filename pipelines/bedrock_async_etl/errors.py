"""Ends of a command: failures in one line, with what went wrong and what to do; and signals.

SIGTERM and SIGHUP do what SIGINT does. Only the command line handles them: in Airflow, and in
programs of others, their handlers stay.
"""

import signal
import time
from importlib.util import find_spec
from typing import ClassVar, Final, Self

from bedrock_async_invokes.errors import OptionError, ScopeError

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TOGETHER_SECONDS: Final = 1.0
"""Signals of this time count as one: `timeout` sends each twice, a terminal that closes too."""


class CommandError(Exception):
    """The command cannot go on."""

    exit_code = 1


class UsageError(CommandError):
    """An option's value is wrong."""

    exit_code = 2


class BusyError(CommandError):
    """Another run holds the destination."""

    exit_code = 75


def require(package: str, extra: str, what: str) -> None:
    """Raise `CommandError` if the package, which the extra installs, is missing for `what`."""
    if find_spec(package) is None:
        raise CommandError(f"{what} needs the extra `{extra}`: install bedrock-async-etl[{extra}].")


class Interruption(KeyboardInterrupt):
    """A signal that ends the command."""

    latest: ClassVar[Self | None] = None
    """DuckDB raises an error of its own where a query is interrupted: this is the reason."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number
        """Exit code of a process that the signal ends, as in shells."""
        self.raised_at = time.monotonic()


def handle_signals() -> None:
    """Raise an `Interruption` for each signal that is not ignored, as `nohup` has SIGHUP.

    A handler is needed for SIGTERM, too: the kernel ignores it for a container's first process.
    """
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _: object) -> None:
    before, interruption = Interruption.latest, Interruption(number)
    if before is None or interruption.raised_at - before.raised_at > TOGETHER_SECONDS:
        Interruption.latest = interruption
        raise interruption


def interruption_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The interruption that an error is, or that made a library raise it."""
    return error if isinstance(error, KeyboardInterrupt) else Interruption.latest


def exit_code_of(error: BaseException) -> int:
    """The exit code of a command that ends with an error."""
    if interruption := interruption_behind(error):
        return getattr(interruption, "exit_code", 128 + signal.SIGINT)
    if isinstance(error, OptionError):
        return UsageError.exit_code
    return error.exit_code if isinstance(error, CommandError) else 1


def reason_of(error: BaseException) -> str:
    """The error in one line, after its class unless its message is meant for users."""
    is_explained = isinstance(error, CommandError | OptionError | ScopeError)
    kind = "" if is_explained else f"{type(error).__name__}: "
    return f"{kind}{' '.join(str(error).split())}"
