"""The state behind the server: the clock, the scopes and their faults, the roles."""

import threading
from collections import Counter
from datetime import datetime
from itertools import product
from random import Random

from .credentials import Caller, Roles, authenticate
from .faults import FaultInjector, Faults
from .invocations import Invocations
from .messages import Request
from .timestamps import milliseconds

ANY = "*"


class Scope:
    """The invocations of an account in a region, their counters, and what fails."""

    def __init__(self, account: str, region: str, faults: Faults) -> None:
        self.account = account
        self.region = region
        self.name = f"{account}/{region}"
        self.invocations = Invocations(account, region)
        self.counters = Counter[str]()
        # All list calls ever: unlike the counters it is never reset, since tokens expire by it.
        self.list_calls = 0
        # From a clientRequestToken to the request that it started, and the ARN.
        self.started: dict[str, tuple[bytes, str]] = {}
        self.rng = Random(self.name)
        self.inject(faults)

    def inject(self, faults: Faults) -> None:
        """Replace the faults."""
        self.injector = FaultInjector(faults, self.name, self.counters)


class State:
    """Everything that the server knows; hold ``lock`` while reading or changing it."""

    def __init__(self, now: datetime, bearer: Caller) -> None:
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self.now = milliseconds(now)
        self.roles = Roles()
        self.scopes: dict[tuple[str, str], Scope] = {}
        self.fault_settings: dict[tuple[str, str], Faults] = {}
        self._bearer = bearer

    def authenticate(self, request: Request, service: str) -> Caller:
        """The caller of a request to a service; raises ServiceError for an unknown one."""
        return authenticate(request.headers, service, self.roles, self.now, self._bearer)

    def scope(self, account: str, region: str) -> Scope:
        """The scope of an account and region, made when first asked for."""
        key = account, region
        if key not in self.scopes:
            self.scopes[key] = Scope(account, region, self._faults_of(account, region))
        return self.scopes[key]

    def inject_faults(self) -> None:
        """Give each scope the faults that are now set for it."""
        for key, scope in self.scopes.items():
            faults = self._faults_of(*key)
            if scope.injector.faults != faults:
                scope.inject(faults)

    def _faults_of(self, account: str, region: str) -> Faults:
        # The most specific setting counts alone: they are not added up.
        for key in product((account, ANY), (region, ANY)):
            if key in self.fault_settings:
                return self.fault_settings[key]
        return Faults()

    def pause(self, seconds: float) -> None:
        """Sleep in real time, unless the server is closing."""
        if seconds > 0:
            self.closing.wait(seconds)
