"""The state behind the server: the clock, the scopes and their faults, the roles."""

import threading
from collections import Counter
from datetime import datetime
from itertools import product
from random import Random
from typing import NamedTuple

from .credentials import Identity, Roles, authenticate
from .faults import HEALTHY, FaultInjector, Faults
from .invocations import NEVER, Invocations, Key
from .messages import Request
from .timestamps import milliseconds

ANY = "*"


class Position(NamedTuple):
    """The place where a listing continues: what a page token stands for."""

    parameters: dict[str, str]
    """Those of the request, but for the token."""
    issued_at: int
    """The number of the list call that returned it."""
    after: Key | None = None
    """The key of the last row that was listed, None before the first."""
    empty_pages: int = 0
    """The number of empty pages just before."""


class Scope:
    """The invocations of an account in a region, their counters, and what fails."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.name = f"{account}/{region}"
        self.invocations = Invocations(account, region)
        self.counters = Counter[str]()
        # All list calls ever: unlike the counters it is never reset, since tokens expire by it.
        self.list_calls = 0
        self.positions: dict[str, Position] = {}
        """By page token."""
        self.started: dict[str, str] = {}
        """From a clientRequestToken to the ARN that it started."""
        self.rng = Random(self.name)
        self.inject(HEALTHY)

    def inject(self, faults: Faults) -> None:
        """Begin with faults anew."""
        self.faults = faults
        self.injector = FaultInjector(faults, self.name, self.counters)

    def oldest_kept(self, now: int) -> int:
        """The earliest submit time that retention leaves."""
        seconds = self.faults.retention_seconds
        return now - round(seconds * 1_000) if seconds else -NEVER


class State:
    """Everything that the server knows; hold ``lock`` while reading or changing it."""

    def __init__(self, now: datetime, bearer: tuple[str, str]) -> None:
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self.now = milliseconds(now)
        self.roles = Roles()
        self.scopes: dict[tuple[str, str], Scope] = {}
        self.fault_settings: dict[tuple[str, str], Faults] = {}
        self._bearer = bearer

    def authenticate(self, request: Request, service: str) -> tuple[Identity, str]:
        """The caller and the region of a request; raises ServiceError for an unknown caller."""
        return authenticate(request.headers, service, self.roles, self.now, self._bearer)

    def scope(self, account: str, region: str) -> Scope:
        """The scope of an account and region with its faults, made when first asked for."""
        if (account, region) not in self.scopes:
            self.scopes[account, region] = Scope(account, region)
        scope = self.scopes[account, region]
        faults = self._faults_of(account, region)
        if scope.faults is not faults:
            scope.inject(faults)
        return scope

    def _faults_of(self, account: str, region: str) -> Faults:
        # The most specific setting counts alone: they are not added up.
        for key in product((account, ANY), (region, ANY)):
            if key in self.fault_settings:
                return self.fault_settings[key]
        return HEALTHY

    def pause(self, seconds: float) -> None:
        """Sleep in real time, unless the server is closing."""
        if seconds > 0:
            self.closing.wait(seconds)
