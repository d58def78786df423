"""Which accounts and regions are read, and a boto3 client for each."""

import difflib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .errors import OptionError, ScopeError
from .organizations import active_accounts, check_role_name
from .roles import RoleProvider, role_parts, role_session
from .settings import ATTEMPTS_PER_CALL, CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS

ALL_REGIONS: Final = "all"
UNKNOWN_ACCOUNT: Final = "unknown"
MAKING_CLIENTS: Final = threading.Lock()
BEARER_TOKEN: Final = "AWS_BEARER_TOKEN_BEDROCK"


@dataclass(frozen=True, slots=True)
class Scope:
    """One account in one region: what ListAsyncInvokes lists."""

    account_id: str
    """12 digits, or `unknown` where neither the credentials nor STS nor an invocation tells."""
    region: str

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}"

    @property
    def is_known(self) -> bool:
        return self.account_id != UNKNOWN_ACCOUNT


@dataclass(frozen=True)
class Account:
    """An account to read: the caller's own, or the one that a role leads to."""

    make_session: Callable[[], boto3.Session]
    """A thousand sessions take seconds, so each is made when it is needed."""
    connections: int
    role_arn: str | None = None

    @cached_property
    def session(self) -> boto3.Session:
        """One for all clients of the account."""
        return self.make_session()

    @property
    def partition(self) -> str:
        """The part of AWS: `aws`, `aws-us-gov`, `aws-cn` or another."""
        if self.role_arn:
            return role_parts(self.role_arn)[0]
        region = _default_region(self.session) or "us-east-1"
        return str(self.session.get_partition_for_region(region))

    def client(self, region: str) -> BaseClient:
        """A Bedrock Runtime client, with SigV4 wherever there are credentials.

        An API key in the environment would otherwise win over a role's credentials, and land the
        rows of one account under another.
        """
        signature = {"signature_version": "v4"} if self.session.get_credentials() else {}
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS_PER_CALL},
            max_pool_connections=self.connections,
            **signature,
        )
        client = self._make_client("bedrock-runtime", region, config)
        with MAKING_CLIENTS:
            client.can_paginate("list_async_invokes")  # Else each thread would load what it takes.
        return client

    @property
    def claimed_id(self) -> str:
        """The account as the role's ARN has it, without a call."""
        return role_parts(self.role_arn)[1] if self.role_arn else UNKNOWN_ACCOUNT

    @cached_property
    def account_id(self) -> str:
        """The 12 digits, or `unknown` where there is no way to STS.

        From the role's ARN, the credentials, or GetCallerIdentity, which needs no permission.
        Credentials that are no good are left to the first call that needs them.
        """
        if self.role_arn:
            return self.claimed_id
        credentials = self.session.get_credentials()
        if credentials is None:
            return self.claimed_id
        try:
            return str(credentials.account_id or self._caller_account())
        except (BotoCoreError, ClientError):
            return UNKNOWN_ACCOUNT

    @property
    def known_id(self) -> str:
        """The 12 digits; raises `ScopeError` where the account is unknown."""
        if self.account_id == UNKNOWN_ACCOUNT:
            raise ScopeError(
                "The caller's account is unknown, but a shard or an organization's roles depend on "
                "it. Use credentials for which `aws sts get-caller-identity` works."
            )
        return self.account_id

    def organizations(self) -> BaseClient:
        """A client of AWS Organizations, which is one for all regions."""
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS_PER_CALL},
        )
        region = _default_region(self.session) or "us-east-1"
        return self._make_client("organizations", region, config)

    def _caller_account(self) -> str:
        quick = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
        sts = self._make_client("sts", _default_region(self.session) or "us-east-1", quick)
        return str(sts.get_caller_identity()["Account"])

    def _make_client(self, service: str, region: str, config: Config) -> BaseClient:
        """Sessions are not safe for threads, and those of roles share a loader."""
        with MAKING_CLIENTS:
            client: BaseClient = self.session.client(service, region_name=region, config=config)
        return client


def find_accounts(
    role_arns: Sequence[str], connections: int, organization_role: str | None = None
) -> list[Account]:
    """The caller's account, one more for each role, and those of the caller's organization.

    `organization_role` names the role that each of the organization's accounts has, but for the
    caller's own and those that `role_arns` lead to.

    Raises `ScopeError` where there are no credentials at all, or the organization cannot be read.
    """
    for role_arn in role_arns:
        role_parts(role_arn)
    if organization_role is not None:
        check_role_name(organization_role)
    core = botocore.session.get_session()
    needs_keys = bool(role_arns) or organization_role is not None
    session = _caller_session(core, needs_keys=needs_keys)
    caller = Account(lambda: session, connections)
    roles = list(dict.fromkeys(role_arns))
    if organization_role is not None:
        roles += _organization_roles(caller, organization_role, role_arns)
    return [caller, *_accounts_of_roles(roles, caller, core)] if roles else [caller]


def _caller_session(core: botocore.session.Session, *, needs_keys: bool) -> boto3.Session:
    """A session with the caller's credentials; an API key is enough where no role is assumed."""
    try:
        session = boto3.Session(botocore_session=core)
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise ScopeError(f"The AWS credentials cannot be read: {error}") from error
    if credentials is None and (needs_keys or BEARER_TOKEN not in os.environ):
        raise ScopeError(
            "No AWS credentials found. Set AWS_PROFILE, log in with `aws sso login`, export "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is attached."
        )
    return session


def _organization_roles(caller: Account, name: str, role_arns: Sequence[str]) -> list[str]:
    """ARNs of roles in the accounts that nothing else leads to.

    An organization's management account usually lacks the role that all others have.
    """
    reached = {caller.known_id, *(role_parts(role_arn)[1] for role_arn in role_arns)}
    return [
        f"arn:{caller.partition}:iam::{account_id}:role/{name}"
        for account_id in active_accounts(caller.organizations())
        if account_id not in reached
    ]


def _accounts_of_roles(
    role_arns: Sequence[str], caller: Account, core: botocore.session.Session
) -> list[Account]:
    """One STS client and one loader do for all of them."""
    sts = caller.session.client("sts", _default_region(caller.session) or "us-east-1")
    loader = core.get_component("data_loader")
    return [
        Account(
            partial(role_session, RoleProvider(sts, role_arn), loader),
            caller.connections,
            role_arn,
        )
        for role_arn in role_arns
    ]


def find_regions(account: Account, regions: Sequence[str]) -> list[str]:
    """The regions asked for, the session's own where none was, or all that Bedrock has.

    Raises `OptionError` for a region that this version of boto3 does not know.
    """
    if ALL_REGIONS in regions:
        return sorted(account.session.get_available_regions("bedrock", account.partition))
    default = _default_region(account.session)
    chosen = list(dict.fromkeys(regions)) or ([default] if default else [])
    if not chosen:
        raise OptionError("No region: name one with --region, or set AWS_REGION.")
    known = _known_regions(account.session)
    for region in chosen:
        if region not in known:
            near = difflib.get_close_matches(region, known, 1)
            hint = f"did you mean {near[0]}?" if near else "see `aws account list-regions`."
            raise OptionError(
                f"Unknown region {region!r}: {hint} A region newer than this boto3 needs "
                "`pip install --upgrade boto3`."
            )
    return chosen


def _default_region(session: boto3.Session) -> str | None:
    return session.region_name or os.environ.get("AWS_REGION")


def _known_regions(session: boto3.Session) -> set[str]:
    """STS is in every region, and its model is small; Bedrock's list lags behind the service."""
    return {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("sts", partition)
    }
