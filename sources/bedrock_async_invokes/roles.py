"""Credentials of roles, each of which leads to one more account."""

import re
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.hooks import HierarchicalEmitter

from .errors import ScopeError, scope_errors
from .options import LoadOptions, role_parts

ASSUMED_ARN: Final = re.compile(r"^arn:aws[^:]*:sts::(\d{12}):")
EXPIRED_CODES: Final = frozenset({"ExpiredTokenException", "ExpiredToken"})


def role_session(role: "RoleProvider", loader: Any) -> boto3.Session:
    """A session with a role's credentials; a loader of its own would cost megabytes."""
    handlers = copy(_builtin_handlers())
    core = botocore.session.Session(event_hooks=handlers, include_builtin_handlers=False)
    core.register_component("data_loader", loader)
    core.register_component("credential_provider", CredentialResolver([role]))
    use_regional_sts(core)
    return boto3.Session(botocore_session=core)


@cache
def _builtin_handlers() -> HierarchicalEmitter:
    """The handlers that botocore registers for each session: most of the cost of a session."""
    handlers = HierarchicalEmitter()
    botocore.session.Session(event_hooks=handlers)
    return handlers


def use_regional_sts(core: botocore.session.Session) -> None:
    """Credentials of the global endpoint are not valid in regions that an account opts in to.

    An older boto3, or a setting of the environment, would use that endpoint.
    """
    core.set_config_variable("sts_regional_endpoints", "regional")


class RoleCredentials(DeferredRefreshableCredentials):  # type: ignore[misc]
    """Credentials that are renewed before they expire, and when a service says that they have.

    It says so if this machine's clock is slow, or if a session was ended early.
    """

    def __init__(self, role: "RoleProvider") -> None:
        super().__init__(self._assume, role.METHOD)
        self._role = role
        self._are_refused = False

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        """True if they have to be renewed; with 0 seconds, if they have expired.

        botocore asks the latter of new ones, while a call with the old ones may be refused.
        """
        is_refused = self._are_refused and refresh_in != 0
        return is_refused or bool(super().refresh_needed(refresh_in))

    def renew_for(self, client: BaseClient) -> None:
        """Let the client repeat a call once that is refused because they expired."""
        client.meta.events.register_first(
            f"needs-retry.{client.meta.service_model.service_id.hyphenize()}", self._renew
        )

    def _assume(self) -> dict[str, Any]:
        metadata = self._role.assume()
        self._are_refused = False
        return metadata

    def _renew(
        self, response: tuple[Any, dict[str, Any]] | None, attempts: int, **_: Any
    ) -> int | None:
        """Seconds until the next try, which is signed anew."""
        code = response[1].get("Error", {}).get("Code") if response else None
        if code not in EXPIRED_CODES or attempts > 1:
            return None
        self._are_refused = True
        return 0


@dataclass
class RoleProvider(CredentialProvider):  # type: ignore[misc]
    """Credentials of an assumed role: requested by the first call, renewed when they expire."""

    METHOD = "assume-role"
    sts: BaseClient
    role_arn: str
    options: LoadOptions

    def load(self) -> RoleCredentials:
        return RoleCredentials(self)

    def assume(self) -> dict[str, Any]:
        """New credentials, as botocore has them; raises `ScopeError`, which names the role."""
        external_id = self.options.external_id
        with scope_errors(f"Cannot assume {self.role_arn}", "STS", external_id):
            answer = self.sts.assume_role(
                RoleArn=self.role_arn,
                RoleSessionName=self.options.role_session_name,
                **({"ExternalId": external_id} if external_id else {}),
            )
            assumed = ASSUMED_ARN.match(answer["AssumedRoleUser"]["Arn"])
            credentials = answer["Credentials"]
            expiration = credentials["Expiration"].astimezone(UTC)
            found = {
                "access_key": credentials["AccessKeyId"],
                "secret_key": credentials["SecretAccessKey"],
                "token": credentials["SessionToken"],
                "expiry_time": expiration.isoformat(),
            }
        if assumed is None or assumed[1] != role_parts(self.role_arn)[1]:
            other = f" ({assumed[1]})" if assumed else ""
            raise ScopeError(f"{self.role_arn} led to another account{other}. Nothing was read.")
        if expiration <= datetime.now(UTC):
            raise ScopeError(
                f"New credentials of {self.role_arn} have expired by this machine's clock: "
                f"they are valid until {expiration}. Set the clock right."
            )
        return found
