"""Accounts to read: the caller's, those of roles and of an organization, with their clients."""

import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Final

import boto3
import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import UnknownRegionError

from .errors import OptionError, ScopeError, scope_errors
from .options import LoadOptions, role_parts
from .roles import RoleCredentials, RoleProvider, role_session, use_regional_sts

ALL_REGIONS: Final = "all"
UNKNOWN_ACCOUNT: Final = "unknown"
ACCOUNT_ID: Final = re.compile(r"\d{12}")
MAKING_CLIENTS: Final = threading.Lock()
BEARER_TOKEN: Final = "AWS_BEARER_TOKEN_BEDROCK"

CONNECT_TIMEOUT_SECONDS: Final = 5
READ_TIMEOUT_SECONDS: Final = 15
"""A page of 1,000 invocations takes well under a second; a call that hangs is repeated."""
ATTEMPTS_PER_CALL: Final = 5
"""Attempts of botocore at one call."""


@dataclass(frozen=True)
class Account:
    """An account to read: the caller's, a role's, or in place of those that cannot be listed."""

    make_session: Callable[[], boto3.Session]
    """A thousand sessions take seconds, so each is made when it is needed."""
    core: botocore.session.Session
    """The caller's configuration of connections."""
    connections: int
    home_region: str
    """Region of the endpoints of STS and AWS Organizations."""
    role_arn: str | None = None
    error: ScopeError | None = None
    """Raised by reading: this stands for an organization whose accounts cannot be listed."""

    @cached_property
    def session(self) -> boto3.Session:
        """The session of all clients of the account."""
        return self.make_session()

    @property
    def partition(self) -> str:
        """Partition of AWS: `aws`, `aws-us-gov`, `aws-cn` or another."""
        if self.role_arn:
            return role_parts(self.role_arn)[0]
        return str(self.session.get_partition_for_region(self.home_region))

    def client(self, region: str) -> BaseClient:
        """A Bedrock Runtime client, with SigV4 wherever there are credentials.

        An API key in the environment would otherwise win over a role's credentials, and load the
        rows of one account under another.
        """
        if self.error:
            raise self.error
        signature = {"signature_version": "v4"} if self.has_credentials else {}
        client = self._make_client(
            "bedrock-runtime", region, max_pool_connections=self.connections, **signature
        )
        with MAKING_CLIENTS:
            client.can_paginate("list_async_invokes")  # Else each thread would load the paginators.
        return client

    @property
    def has_credentials(self) -> bool:
        """True unless an API key is all that there is."""
        return self.session.get_credentials() is not None

    @property
    def claimed_id(self) -> str:
        """The account in the role's ARN, `organization`, or `unknown`; makes no call."""
        if self.error:
            return "organization"
        return role_parts(self.role_arn)[1] if self.role_arn else UNKNOWN_ACCOUNT

    @cached_property
    def account_id(self) -> str:
        """The 12 digits, or `unknown` if STS cannot be reached.

        From the role's ARN, the credentials, or GetCallerIdentity, which needs no permission.
        Invalid credentials show in the first call that needs them.
        """
        is_claimed = self.role_arn or self.error
        credentials = None if is_claimed else self.session.get_credentials()
        if credentials is None:
            return self.claimed_id
        try:
            with scope_errors("Cannot find the caller's account", "STS"):
                return _checked_id(credentials.account_id or self._caller_account())
        except ScopeError:
            return UNKNOWN_ACCOUNT

    @property
    def known_id(self) -> str:
        """The 12 digits; raises `ScopeError` if the account is unknown."""
        if self.account_id == UNKNOWN_ACCOUNT:
            raise ScopeError(
                "The caller's account is unknown, but a shard or an organization's roles depend on "
                "it. Use credentials for which `aws sts get-caller-identity` works."
            )
        return self.account_id

    def active_members(self) -> list[str]:
        """Ids of the active accounts of the account's organization; raises `ScopeError`."""
        with (
            scope_errors("Cannot list the organization's accounts", "AWS Organizations"),
            closing(self._make_client("organizations", self.home_region)) as organizations,
        ):
            pages = organizations.get_paginator("list_accounts").paginate()
            listed = [each for page in pages for each in page["Accounts"]]
            return [_checked_id(each["Id"]) for each in listed if _is_active(each)]

    def sts(self) -> BaseClient:
        """A client of STS, in the account's partition of AWS and home region."""
        return self._new_client("sts", self.home_region, None)

    def _caller_account(self) -> str:
        quick = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
        with closing(self._new_client("sts", self.home_region, quick)) as sts:
            return str(sts.get_caller_identity()["Account"])

    def _make_client(self, service: str, region: str, **config: Any) -> BaseClient:
        bounded = Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS_PER_CALL},
            **config,
        )
        return self._new_client(service, region, bounded)

    def _new_client(self, service: str, region: str, config: Config | None) -> BaseClient:
        """Sessions are not safe for threads, and those of roles share a loader."""
        with MAKING_CLIENTS:
            client: BaseClient = self.session.client(service, region_name=region, config=config)
        credentials = self.session.get_credentials()
        if isinstance(credentials, RoleCredentials):
            credentials.renew_for(client)
        return client


def find_accounts(options: LoadOptions) -> list[Account]:
    """The caller's account, one more for each role, and those of an organization.

    Raises `OptionError` for roles that no caller can assume together, `ScopeError` if there are no
    credentials at all.
    """
    role_arns = list(dict.fromkeys(options.role_arns or ()))
    hub_arns = [options.hub_role_arn] if options.hub_role_arn else []
    partition = _only_partition([*hub_arns, *role_arns])
    core = botocore.session.get_session()
    use_regional_sts(core)
    needs_keys = bool(hub_arns or role_arns) or options.organization_role is not None
    session = _caller_session(core, needs_keys=needs_keys)
    home = _home_region(core, (default_region(session), *(options.regions or ())), partition)
    caller = Account(lambda: session, core, options.concurrency, home)
    hub = next(iter(_accounts_of_roles(hub_arns, caller, options)), caller)
    roles, unlisted = role_arns, []
    try:
        roles = [*role_arns, *_organization_roles(caller, hub, options)]
    except ScopeError as error:
        unlisted = [replace(hub, error=error)]
    others = [role_arn for role_arn in roles if role_arn != hub.role_arn]
    found = [caller, hub] if hub.role_arn in roles else [caller]
    return [*found, *_accounts_of_roles(others, hub, options), *unlisted]


def _only_partition(role_arns: Sequence[str]) -> str | None:
    """The partition of AWS of the roles; None without roles."""
    partitions = list(dict.fromkeys(role_parts(role_arn)[0] for role_arn in role_arns))
    if len(partitions) > 1:
        raise OptionError(
            f"There are roles of several partitions of AWS ({', '.join(partitions)}), and no "
            "caller's credentials are valid in two of them: run once for each."
        )
    return partitions[0] if partitions else None


def _home_region(
    core: botocore.session.Session, regions: Sequence[str | None], partition: str | None
) -> str:
    """The first of the regions that is in the partition of the roles.

    Without roles, the last region has the partition: the session's own comes before the others.
    """
    named = [region for region in regions if region not in (None, ALL_REGIONS)]
    known = region_partitions(core)
    partition = partition or (_partition_of(core, named[-1]) if named else None)
    fitting = [region for region in named if region in known and known[region] == partition]
    return fitting[0] if fitting else _first_region(core, partition or "aws")


def _partition_of(core: botocore.session.Session, region: str) -> str | None:
    """By the form of its name, since a partition is known before its regions are listed."""
    try:
        return str(core.get_partition_for_region(region))
    except UnknownRegionError:
        return None


def _caller_session(core: botocore.session.Session, *, needs_keys: bool) -> boto3.Session:
    """A session with the caller's credentials; an API key is enough if no role is assumed."""
    with scope_errors("The AWS credentials cannot be used", "The provider of the credentials"):
        session = boto3.Session(botocore_session=core)
        credentials = session.get_credentials()
        if credentials:
            credentials.get_frozen_credentials()
    if credentials is None and (needs_keys or BEARER_TOKEN not in os.environ):
        raise ScopeError(
            "No AWS credentials found. Set AWS_PROFILE, log in with `aws sso login`, export "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is attached."
        )
    return session


def _organization_roles(caller: Account, hub: Account, options: LoadOptions) -> list[str]:
    """ARNs of roles in the accounts that nothing else leads to; the hub's own is read by itself.

    An organization's management account usually lacks the role that all others have.
    """
    if options.organization_role is None:
        return []
    reached = {caller.known_id, *(role_parts(each)[1] for each in options.role_arns or ())}
    return [
        hub.role_arn
        if hub.role_arn and account_id == hub.claimed_id
        else f"arn:{hub.partition}:iam::{account_id}:role/{options.organization_role}"
        for account_id in hub.active_members()
        if account_id not in reached
    ]


def _checked_id(account_id: str) -> str:
    if not ACCOUNT_ID.fullmatch(account_id):
        raise ValueError(f"{account_id!r} is not the id of an account.")
    return account_id


def _is_active(account: Mapping[str, Any]) -> bool:
    """AWS replaces `Status` by `State`, which an older boto3 does not pass on."""
    state = account.get("State") or account.get("Status")
    if state is None:
        raise ScopeError(
            "Cannot list the organization's accounts: AWS Organizations did not return the state "
            f"of {_checked_id(account['Id'])}. This boto3 is too old for it: see "
            "`pip install --upgrade boto3`."
        )
    return bool(state == "ACTIVE")


def _accounts_of_roles(
    role_arns: Sequence[str], assumer: Account, options: LoadOptions
) -> list[Account]:
    """One STS client and one loader serve all of them."""
    if not role_arns:
        return []
    sts, loader = assumer.sts(), assumer.core.get_component("data_loader")
    return [
        replace(
            assumer,
            make_session=partial(role_session, RoleProvider(sts, role_arn, options), loader),
            role_arn=role_arn,
        )
        for role_arn in role_arns
    ]


def default_region(session: boto3.Session) -> str | None:
    """The region that the environment or a profile has."""
    return session.region_name or os.environ.get("AWS_REGION")


def region_partitions(session: boto3.Session | botocore.session.Session) -> dict[str, str]:
    """The partition of each region.

    STS is in every region, and its model is small; Bedrock's list lags behind the service.
    """
    return {
        region: partition
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("sts", partition)
    }


def _first_region(core: botocore.session.Session, partition: str) -> str:
    """The region of a partition's global services."""
    described = core.get_component("data_loader").load_data("partitions")["partitions"]
    regions = {each["id"]: each["outputs"]["implicitGlobalRegion"] for each in described}
    if partition not in regions:
        choices = ", ".join(regions)
        raise OptionError(f"Unknown partition of AWS: {partition}. It is one of {choices}.")
    return str(regions[partition])
