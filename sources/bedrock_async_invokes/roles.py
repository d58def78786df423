"""Credentials of roles, each of which leads to one more account."""

import re
from dataclasses import dataclass
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

from .errors import OptionError, ScopeError
from .reports import describe

ROLE_ARN: Final = re.compile(r"^arn:(aws[^:]*):iam::(\d{12}):role/\S+$")
ASSUMED_ARN: Final = re.compile(r"^arn:aws[^:]*:sts::(\d{12}):")
ROLE_SESSION_NAME: Final = "bedrock-async-etl"


def role_parts(role_arn: str) -> tuple[str, str]:
    """Partition and account of a role's ARN."""
    match = ROLE_ARN.match(role_arn)
    if match is None:
        raise OptionError(
            f"Not a role's ARN: {role_arn!r}. It looks like arn:aws:iam::111122223333:role/NAME."
        )
    return match[1], match[2]


def role_session(role: "RoleProvider", loader: Any) -> boto3.Session:
    """A session with a role's credentials; a loader of its own would cost megabytes."""
    core = botocore.session.get_session()
    core.register_component("data_loader", loader)
    core.register_component("credential_provider", CredentialResolver([role]))
    return boto3.Session(botocore_session=core)


@dataclass
class RoleProvider(CredentialProvider):  # type: ignore[misc]
    """Credentials of an assumed role: asked for by the first call, renewed when they expire."""

    METHOD = "assume-role"
    sts: BaseClient
    role_arn: str

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self.assume, self.METHOD)

    def assume(self) -> dict[str, Any]:
        try:
            answer = self.sts.assume_role(RoleArn=self.role_arn, RoleSessionName=ROLE_SESSION_NAME)
        except (BotoCoreError, ClientError) as error:
            raise ScopeError(f"Cannot assume {self.role_arn}: {describe(error)}") from error
        self._check_account(answer["AssumedRoleUser"]["Arn"])
        credentials = answer["Credentials"]
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
