"""The caller of a request: access keys that carry their account, assumed roles, bearer tokens."""

import re
import secrets
from dataclasses import dataclass, field
from email.message import Message

from .arns import partition_of
from .invocations import NEVER
from .messages import ServiceError

_SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/")
_PERMANENT = re.compile(r"AKIA(\d{12})EMUL")
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/(?:[\w+=,.@/-]+/)?([\w+=,.@-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The user of an account, or the session of a role with its temporary credentials."""

    account: str
    arn: str
    user_id: str
    access_key: str = ""
    secret_key: str = ""
    token: str | None = None
    expires: int = NEVER
    """A time of the virtual clock."""


@dataclass(slots=True)
class Roles:
    """The roles that can be assumed, which are all but those restricted here; their sessions."""

    refused: set[str] = field(default_factory=set)
    misdirected: dict[str, str] = field(default_factory=dict)
    """From a role's ARN to the account that its sessions are in, other than the ARN's."""
    trusts: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    """From a role's ARN to the principal and the external id that alone may assume it."""
    closed: set[str] = field(default_factory=set)
    """Accounts whose credentials are good no more, and whose roles cannot be assumed."""
    session_seconds: int | None = None
    """Length of a session on the virtual clock; None: as long as the request asks."""
    sessions: dict[str, Identity] = field(default_factory=dict)
    """By access key."""

    def refuses(self, role_arn: str, caller: Identity, external_id: str | None) -> bool:
        """True if a caller may not assume a role; raises ServiceError unless the ARN is one."""
        _, account, _ = _role_parts(role_arn)
        principal, trusted_id = self.trusts.get(role_arn, (None, None))
        # A trust policy names the role of a session.
        caller_arn = re.sub(r":sts:(.*:)assumed-role/(.+)/.*", r":iam:\1role/\2", caller.arn)
        return (
            role_arn in self.refused
            or account in self.closed
            or principal not in (None, caller_arn)
            or trusted_id not in (None, external_id)
        )

    def assume(self, role_arn: str, session_name: str, seconds: int, now: int) -> Identity:
        """A new session of a role; raises ServiceError unless the ARN is one."""
        partition, account, name = _role_parts(role_arn)
        account = self.misdirected.get(role_arn, account)
        seconds = seconds if self.session_seconds is None else self.session_seconds
        session = Identity(
            account=account,
            arn=f"arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}",
            user_id=f"AROA{account}EMUL:{session_name}",
            access_key=f"ASIA{account}{len(self.sessions):04X}",
            secret_key=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(120),
            expires=now + 1_000 * seconds,
        )
        self.sessions[session.access_key] = session
        return session


def _role_parts(role_arn: str) -> tuple[str, ...]:
    """Partition, account and name in a role's ARN; a ValidationError for anything else."""
    match = _ROLE.fullmatch(role_arn)
    if not match:
        raise ServiceError("ValidationError", f"{role_arn} is invalid")
    return match.groups()


def user(account: str, region: str) -> Identity:
    """The one user of an account, the owner of its permanent key."""
    arn = f"arn:{partition_of(region)}:iam::{account}:user/emulator"
    return Identity(account=account, arn=arn, user_id=f"AIDA{account}EMUL")


def authenticate(
    headers: Message, service: str, roles: Roles, now: int, bearer: tuple[str, str]
) -> tuple[Identity, str]:
    """The caller and the region of a request; raises ServiceError for unknown or expired keys.

    Signatures are not verified. ``bearer`` is the account and region of bearer tokens.
    """
    header = headers.get("Authorization", "")
    if header.startswith("Bearer ") and service == "bedrock":
        return user(*bearer), bearer[1]
    signed = _SIGNED.match(header)
    if not signed or signed[3] != service:
        message = f"The request is not signed for {service} with SigV4."
        raise ServiceError("IncompleteSignatureException", message, 403)
    key, region, _ = signed.groups()
    permanent = _PERMANENT.fullmatch(key)
    caller = user(permanent[1], region) if permanent else roles.sessions.get(key)
    # A user's key is good with any token: an older one may be left in the environment.
    token = headers.get("X-Amz-Security-Token")
    if not caller or caller.token not in (None, token) or caller.account in roles.closed:
        message = "The security token included in the request is invalid."
        raise ServiceError("UnrecognizedClientException", message, 403)
    if caller.expires <= now:
        message = "The security token included in the request is expired"
        raise ServiceError("ExpiredTokenException", message, 403)
    return caller, region
