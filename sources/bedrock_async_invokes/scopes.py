"""Which accounts and regions are read, and a boto3 client for each."""

import difflib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .errors import OptionError, ScopeError
from .organizations import active_accounts, check_role_name
from .roles import (
    Assuming,
    RoleCredentials,
    RoleProvider,
    role_parts,
    role_session,
    use_regional_sts,
)
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
    home_region: str
    """Where STS and AWS Organizations are asked."""
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
        return str(self.session.get_partition_for_region(self.home_region))

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
        return self._make_client("organizations", self.home_region, config)

    def sts(self, config: Config | None = None) -> BaseClient:
        """A client of STS, of this account's part of AWS and in its home region."""
        return self._make_client("sts", self.home_region, config)

    def _caller_account(self) -> str:
        quick = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
        return str(self.sts(quick).get_caller_identity()["Account"])

    def _make_client(self, service: str, region: str, config: Config | None) -> BaseClient:
        """Sessions are not safe for threads, and those of roles share a loader."""
        with MAKING_CLIENTS:
            client: BaseClient = self.session.client(service, region_name=region, config=config)
        credentials = self.session.get_credentials()
        if isinstance(credentials, RoleCredentials):
            credentials.renew_for(client)
        return client


def find_accounts(
    role_arns: Sequence[str],
    connections: int,
    organization_role: str | None = None,
    assuming: Assuming | None = None,
    regions: Sequence[str] = (),
) -> list[Account]:
    """The caller's account, one more for each role, and those of an organization.

    `organization_role` names the role that each of the organization's accounts has, but for those
    that are reached without it. `assuming` tells how roles are assumed. Among `regions`, those that
    are going to be read, one for STS is looked for.

    Raises `OptionError` for roles that no caller can assume together, `ScopeError` where there are
    no credentials at all, or the organization cannot be read.
    """
    assuming = assuming or Assuming()
    hub_arns = [assuming.hub_role_arn] if assuming.hub_role_arn else []
    partition = _only_partition([*hub_arns, *role_arns])
    if organization_role is not None:
        check_role_name(organization_role)
    core = botocore.session.get_session()
    use_regional_sts(core)
    needs_keys = bool(hub_arns) or bool(role_arns) or organization_role is not None
    session = _caller_session(core, needs_keys=needs_keys)
    home = _home_region(core, (_default_region(session), *regions), partition)
    caller = Account(lambda: session, connections, home)
    loader = core.get_component("data_loader")
    hub = caller
    if assuming.hub_role_arn:
        [hub] = _accounts_of_roles(hub_arns, caller, assuming, loader)
    roles = list(dict.fromkeys(role_arns))
    if organization_role is not None:
        roles += _organization_roles(caller, hub, organization_role, role_arns)
    others = [role_arn for role_arn in roles if role_arn != hub.role_arn]
    found = [caller, hub] if hub.role_arn in roles else [caller]
    return [*found, *_accounts_of_roles(others, hub, assuming, loader)] if others else found


def _only_partition(role_arns: Sequence[str]) -> str | None:
    """The part of AWS that roles are in; None where there is no role."""
    partitions = list(dict.fromkeys(role_parts(role_arn)[0] for role_arn in role_arns))
    if len(partitions) > 1:
        raise OptionError(
            f"There are roles of several partitions of AWS ({', '.join(partitions)}), and no "
            "caller's credentials are good in two of them: run once for each."
        )
    return partitions[0] if partitions else None


def _home_region(
    core: botocore.session.Session, regions: Sequence[str | None], partition: str | None
) -> str:
    """The first of the regions that is in the partition of the roles.

    Without roles, the last one tells it: regions that are to be read come after the session's own.
    """
    named = [region for region in regions if region not in (None, ALL_REGIONS)]
    known = _partitions(core)
    partition = partition or (known.get(named[-1]) if named else None)
    fitting = [region for region in named if region in known and known[region] == partition]
    return fitting[0] if fitting else _first_region(core, partition or "aws")


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


def _organization_roles(
    caller: Account, hub: Account, name: str, role_arns: Sequence[str]
) -> list[str]:
    """ARNs of roles in the accounts that nothing else leads to; the hub's own is read by itself.

    An organization's management account usually lacks the role that all others have.
    """
    reached = {caller.known_id, *(role_parts(role_arn)[1] for role_arn in role_arns)}
    return [
        hub.role_arn
        if hub.role_arn and account_id == hub.claimed_id
        else f"arn:{hub.partition}:iam::{account_id}:role/{name}"
        for account_id in active_accounts(hub.organizations())
        if account_id not in reached
    ]


def _accounts_of_roles(
    role_arns: Sequence[str], assumer: Account, assuming: Assuming, loader: Any
) -> list[Account]:
    """One STS client and one loader do for all of them."""
    sts = assumer.sts()
    return [
        Account(
            partial(role_session, RoleProvider(sts, role_arn, assuming), loader),
            assumer.connections,
            assumer.home_region,
            role_arn,
        )
        for role_arn in role_arns
    ]


def find_regions(account: Account, regions: Sequence[str]) -> list[str]:
    """The regions asked for, the session's own where none was, or all that Bedrock has.

    Raises `OptionError` for a region that this version of boto3 does not know, and for one in
    another part of AWS than the account.
    """
    if ALL_REGIONS in regions:
        return sorted(account.session.get_available_regions("bedrock", account.partition))
    default = _default_region(account.session)
    chosen = list(dict.fromkeys(regions)) or ([default] if default else [])
    if not chosen:
        raise OptionError("No region: name one with --region, or set AWS_REGION.")
    partitions = _partitions(account.session)
    for region in chosen:
        if region not in partitions:
            near = difflib.get_close_matches(region, partitions, 1)
            hint = f"did you mean {near[0]}?" if near else "see `aws account list-regions`."
            raise OptionError(
                f"Unknown region {region!r}: {hint} A region newer than this boto3 needs "
                "`pip install --upgrade boto3`."
            )
        if partitions[region] != account.partition:
            raise OptionError(
                f"{region} is in the partition {partitions[region]} of AWS, but "
                f"{account.role_arn or 'the caller'} is in {account.partition}, and credentials "
                "are good in one only: name regions of that one, and run once for each."
            )
    return chosen


def _default_region(session: boto3.Session) -> str | None:
    return session.region_name or os.environ.get("AWS_REGION")


def _partitions(session: boto3.Session | botocore.session.Session) -> dict[str, str]:
    """The partition of each region.

    STS is in every region, and its model is small; Bedrock's list lags behind the service.
    """
    return {
        region: partition
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("sts", partition)
    }


def _first_region(core: botocore.session.Session, partition: str) -> str:
    """The region that a partition of AWS has its global services in."""
    described = core.get_component("data_loader").load_data("partitions")["partitions"]
    regions = {each["id"]: each["outputs"]["implicitGlobalRegion"] for each in described}
    if partition not in regions:
        choices = ", ".join(regions)
        raise OptionError(f"Unknown partition of AWS: {partition}. It is one of {choices}.")
    return str(regions[partition])
