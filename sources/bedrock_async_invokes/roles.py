"""Credentials of roles, each of which leads to one more account."""

import re
from copy import copy
from dataclasses import dataclass, field
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
from botocore.exceptions import BotoCoreError, ClientError
from botocore.hooks import HierarchicalEmitter

from .errors import OptionError, ScopeError
from .reports import describe

ROLE_ARN: Final = re.compile(r"^arn:(aws[^:]*):iam::(\d{12}):role/\S+$")
ASSUMED_ARN: Final = re.compile(r"^arn:aws[^:]*:sts::(\d{12}):")
ROLE_SESSION_NAME: Final = "bedrock-async-etl"
SESSION_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
"""What AssumeRole takes: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html."""
EXPIRED_CODES: Final = frozenset({"ExpiredTokenException", "ExpiredToken"})


def role_parts(role_arn: str) -> tuple[str, str]:
    """Partition and account of a role's ARN."""
    match = ROLE_ARN.match(role_arn)
    if match is None:
        raise OptionError(
            f"Not a role's ARN: {role_arn!r}. It looks like arn:aws:iam::111122223333:role/NAME."
        )
    return match[1], match[2]


@dataclass(frozen=True, slots=True)
class Assuming:
    """How roles are assumed, which is the same for all of them.

    Raises `OptionError` for what AssumeRole would not take.
    """

    hub_role_arn: str | None = None
    """The role that the caller assumes first, and that assumes the others."""
    external_id: str | None = field(default=None, repr=False)
    session_name: str = ROLE_SESSION_NAME
    """What CloudTrail shows of who called."""

    def __post_init__(self) -> None:
        if self.hub_role_arn is not None:
            role_parts(self.hub_role_arn)
        if not SESSION_NAME.fullmatch(self.session_name):
            raise OptionError(
                f"Not a role's session name: {self.session_name!r}. It has 2 to 64 letters, digits "
                "and _+=,.@-."
            )
        if self.external_id is not None and not EXTERNAL_ID.fullmatch(self.external_id):
            raise OptionError(
                "The external id given is none: it has 2 to 1,224 letters, digits and _+=,.@:/-."
            )

    @property
    def parameters(self) -> dict[str, str]:
        """Those of AssumeRole, but for the role."""
        external_id = {"ExternalId": self.external_id} if self.external_id else {}
        return {"RoleSessionName": self.session_name, **external_id}


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
    """What botocore registers for each session, which is most of what a session costs."""
    handlers = HierarchicalEmitter()
    botocore.session.Session(event_hooks=handlers)
    return handlers


def use_regional_sts(core: botocore.session.Session) -> None:
    """What the global endpoint issues is not good in regions that an account has to opt in to.

    An older boto3 would ask it unless it is told, and an environment may tell it to.
    """
    core.set_config_variable("sts_regional_endpoints", "regional")


class RoleCredentials(DeferredRefreshableCredentials):  # type: ignore[misc]
    """Credentials that are renewed before they expire, and when a service says that they have.

    The latter is where this machine's clock is slow, or a session was ended early.
    """

    def __init__(self, role: "RoleProvider") -> None:
        super().__init__(self._assume, role.METHOD)
        self._role = role
        self._are_refused = False

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        """Whether they have to be renewed; with 0 seconds, whether their time is over.

        The latter is asked of new ones, and another call may have been refused with the old ones
        meanwhile.
        """
        is_refused = self._are_refused and refresh_in != 0
        return is_refused or bool(super().refresh_needed(refresh_in))

    def renew_for(self, client: BaseClient) -> None:
        """Let a call of the client that is refused since they expired be tried once more."""
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
    """Credentials of an assumed role: asked for by the first call, renewed when they expire."""

    METHOD = "assume-role"
    sts: BaseClient
    role_arn: str
    assuming: Assuming = Assuming()

    def load(self) -> RoleCredentials:
        return RoleCredentials(self)

    def assume(self) -> dict[str, Any]:
        try:
            answer = self.sts.assume_role(RoleArn=self.role_arn, **self.assuming.parameters)
        except (BotoCoreError, ClientError) as error:
            raise ScopeError(f"Cannot assume {self.role_arn}: {describe(error)}") from error
        self._check_account(answer["AssumedRoleUser"]["Arn"])
        credentials = answer["Credentials"]
        if credentials["Expiration"] <= datetime.now(UTC):
            raise ScopeError(
                f"New credentials of {self.role_arn} have expired by this machine's clock: "
                f"they are good until {credentials['Expiration']}. Set the clock right."
            )
        return {
            "access_key": credentials["AccessKeyId"],
            "secret_key": credentials["SecretAccessKey"],
            "token": credentials["SessionToken"],
            "expiry_time": credentials["Expiration"].isoformat(),
        }

    def _check_account(self, assumed_arn: str) -> None:
        match = ASSUMED_ARN.match(assumed_arn)
        if match is None or match[1] != role_parts(self.role_arn)[1]:
            raise ScopeError(
                f"{self.role_arn} led to another account ({assumed_arn}). Nothing was read."
            )
