"""The state behind the server: the clock, the scopes, their faults, the roles."""

import threading
from collections.abc import Iterator
from datetime import datetime
from itertools import product

from .credentials import Caller, Credentials, Roles, identify
from .faults import Faults
from .instants import milliseconds
from .invocations import Invocations
from .requests import Headers
from .scope import Scope
from .tokens import TokenSigner

ANY = "*"


class World:
    """Everything that the server knows; hold ``lock`` while reading or changing it."""

    def __init__(self, now: datetime, *, bearer_account: str, default_region: str) -> None:
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self.now = milliseconds(now)
        self.roles = Roles()
        self.tokens = TokenSigner()
        self.bearer_account = bearer_account
        self.default_region = default_region
        self.scopes: dict[tuple[str, str], Scope] = {}
        self.fault_settings: dict[tuple[str, str], Faults] = {}

    def identify(self, headers: Headers, service: str) -> Caller:
        """The caller of a request to a service; a ServiceError for one it does not know."""
        shown = Credentials(
            authorization=headers.get("Authorization"),
            security_token=headers.get("X-Amz-Security-Token"),
            service=service,
        )
        return identify(
            shown,
            self.roles,
            self.now,
            bearer_account=self.bearer_account,
            default_region=self.default_region,
        )

    def scope(self, account: str, region: str) -> Scope:
        """The scope of an account and region, which comes into being when first asked for."""
        key = account, region
        if key not in self.scopes:
            self.scopes[key] = Scope(account, region)
            self.scopes[key].inject(self._faults_for(account, region))
        return self.scopes[key]

    def merge(self, account: str, region: str, invocations: Invocations) -> None:
        """Add many invocations to a scope."""
        self.scope(account, region).invocations.merge(invocations)

    def populated(self) -> Iterator[Scope]:
        """The scopes that have invocations."""
        return (scope for scope in self.scopes.values() if len(scope.invocations))

    def set_faults(self, account: str, region: str, faults: Faults) -> None:
        """Replace the faults of a scope, or with `ANY` in either place of many.

        The most specific setting counts alone: they are not added up.
        """
        self.fault_settings[account, region] = faults
        self._inject()

    def clear_faults(self) -> None:
        """Bring all scopes back to good health."""
        self.fault_settings.clear()
        self._inject()

    def _inject(self) -> None:
        for (account, region), scope in self.scopes.items():
            faults = self._faults_for(account, region)
            if scope.injector.faults != faults:
                scope.inject(faults)

    def _faults_for(self, account: str, region: str) -> Faults:
        for key in product((account, ANY), (region, ANY)):
            if key in self.fault_settings:
                return self.fault_settings[key]
        return Faults()

    def reset_calls(self) -> None:
        """Forget all counts."""
        for scope in self.scopes.values():
            scope.counters.clear()

    def pause(self, seconds: float) -> None:
        """Sleep in real time, unless the server is closing."""
        if seconds > 0:
            self.closing.wait(seconds)
