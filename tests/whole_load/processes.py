"""Runs of the product in processes of their own, forked from one that has all of it imported."""

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Literal

import time_machine
from botocore.retries import standard

from bedrock_async_etl.configuration import environment
from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.load import RunResult, load
from bedrock_async_etl.load.verification import Verification, verify
from bedrock_async_etl.models.refresh import Refresh, refresh
from bedrock_async_invokes import client, read_ahead, windows
from bedrock_emulator import Control
from tests.copies import CopyKind, destination_of
from tests.whole_load.moments import MOMENTS, die, strike

PAGE_SIZE: Final = 4
"""Rows of a page, so that a few dozen invocations are many pages, pieces and slices."""
LONGEST_SECONDS: Final = 120
BACKOFF_SECONDS: Final = 0.01

IMPORTED_LATE: Final = (
    "deltalake",
    "pyiceberg.catalog.sql",
    "pyiceberg.io.pyarrow",
    "dlt.destinations.impl.duckdb.duck",
    "fsspec.implementations.chained",
    "pendulum.locales.en",
    "requests",
    "sqlalchemy",
)
PROCESSES: Final = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__, *IMPORTED_LATE])


@dataclass(frozen=True)
class Strike:
    """What happens to a process at a moment of its own."""

    moment: str
    nth: int
    is_after: bool
    seconds_passed: float | None = None
    """So much of the service's time passes then; None kills the process."""


@dataclass(frozen=True)
class Order:
    """What a process is to do, and in which surroundings."""

    verb: Literal["load", "refresh", "verify"]
    kind: CopyKind
    path: Path
    environment: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    slice_rows: int = 100_000
    seconds_off: float = 0
    """How far the process's clock is ahead of the real one."""
    strike: Strike | None = None
    control_url: str = ""

    @property
    def destination(self) -> Destination:
        return destination_of(self.kind, self.path)


Answer = RunResult | Refresh | Verification | CommandError | None


def carried_out(order: Order) -> Answer:
    """What a process that was given the order came to: None where it was killed."""
    ours, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_carry_out, args=(order, theirs))
    process.start()
    theirs.close()
    try:
        assert ours.poll(LONGEST_SECONDS), f"{order} hangs"
        answer: Answer | str = ours.recv()
    except EOFError:
        process.join()
        assert (process.exitcode, bool(order.strike)) == (-signal.SIGKILL, True)
        return None
    finally:
        ours.close()
        process.kill()
        process.join()
    assert not isinstance(answer, str), answer
    return answer


def _carry_out(order: Order, answers: Connection) -> None:
    _make_small()
    now = datetime.now(UTC) + timedelta(seconds=order.seconds_off)
    with (
        environment(order.environment),
        time_machine.travel(now) if order.seconds_off else nullcontext(),
    ):
        if order.strike:
            _strike(order, order.strike)
        try:
            answers.send(_done(order))
        except CommandError as error:
            answers.send(error)
        except Exception:
            answers.send(traceback.format_exc())


def _done(order: Order) -> RunResult | Refresh | Verification:
    if order.verb == "refresh":
        return refresh(order.destination)
    if order.verb == "verify":
        return verify(order.destination, order.options)
    return load(order.destination, order.options, slice_rows=order.slice_rows)


def _strike(order: Order, planned: Strike) -> None:
    act: Callable[[], object] = die
    if planned.seconds_passed is not None:
        step = timedelta(seconds=planned.seconds_passed)
        act = partial(Control(order.control_url).advance, step)
    strike(MOMENTS[planned.moment], planned.nth, planned.is_after, act)


def _make_small() -> None:
    """Shorten pages and what is waited for; all else is the product as it is."""
    for module in (client, read_ahead, windows):
        vars(module)["PAGE_SIZE"] = PAGE_SIZE
    standard.ExponentialBackoff.delay_amount = lambda *_: BACKOFF_SECONDS
