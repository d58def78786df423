"""The caller of a request: access keys that carry their account, assumed roles, bearer tokens."""

import re
import secrets
from dataclasses import dataclass, field
from email.message import Message

from .arns import partition_of
from .messages import ServiceError

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)"
    r"/aws4_request,"
)
_PERMANENT = re.compile(r"AKIA(\d{12})EMUL")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/([\w+=,.@/-]+)")


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller: its account, the region it addresses, and its own ARN."""

    account: str
    region: str
    arn: str
    user_id: str


@dataclass(frozen=True, slots=True)
class RoleSession:
    """Temporary credentials; ``expires`` is a time of the virtual clock."""

    access_key: str
    secret_key: str
    token: str
    account: str
    arn: str
    user_id: str
    expires: int


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
    sessions: dict[str, RoleSession] = field(default_factory=dict)

    def refuses(self, role_arn: str, caller: Caller, external_id: str | None) -> bool:
        """True if a caller may not assume a role; raises ServiceError unless the ARN is one."""
        principal, trusted_id = self.trusts.get(role_arn, (None, None))
        return (
            role_arn in self.refused
            or role_account(role_arn) in self.closed
            or principal not in (None, _principal_of(caller.arn))
            or trusted_id not in (None, external_id)
        )

    def assume(self, role_arn: str, session_name: str, seconds: int, now: int) -> RoleSession:
        """A new session of a role; raises ServiceError unless the ARN is one."""
        account = self.misdirected.get(role_arn) or role_account(role_arn)
        partition, name = role_arn.split(":")[1], role_arn.rpartition("/")[2]
        session = RoleSession(
            access_key=f"ASIA{account}{len(self.sessions):04X}",
            secret_key=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(120),
            account=account,
            arn=f"arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}",
            user_id=f"AROA{account}EMUL:{session_name}",
            expires=now + 1_000 * (self.session_seconds or seconds),
        )
        self.sessions[session.access_key] = session
        return session


def _principal_of(arn: str) -> str:
    """The name of a caller in a trust policy: the role of an assumed role's session."""
    head, *session = arn.replace(":sts:", ":iam:", 1).split(":assumed-role/")
    return f"{head}:role/{session[0].rpartition('/')[0]}" if session else arn


def role_account(role_arn: str) -> str:
    """The account in a role's ARN; a ValidationError for anything else."""
    match = _ROLE.fullmatch(role_arn)
    if not match:
        raise ServiceError("ValidationError", f"{role_arn} is invalid")
    return match[1]


def user(account: str, region: str) -> Caller:
    """The one user of an account, the owner of its permanent key."""
    head = f"arn:{partition_of(region)}:iam::{account}"
    return Caller(account, region, f"{head}:user/emulator", f"AIDA{account}EMUL")


def authenticate(headers: Message, service: str, roles: Roles, now: int, bearer: Caller) -> Caller:
    """The caller of a request; signatures are not verified, keys and their expiration are."""
    header = headers.get("Authorization")
    if not header:
        message = "Missing Authentication Token"
        raise ServiceError("MissingAuthenticationTokenException", message, 403)
    if header.startswith("Bearer ") and service == "bedrock":
        return bearer
    signed = _SIGNED.match(header)
    if not signed:
        message = "Authorization header is not SigV4 or Bearer."
        raise ServiceError("IncompleteSignatureException", message, 403)
    if signed["service"] != service:
        message = f"Credential should be scoped to correct service: '{service}'."
        raise ServiceError("InvalidSignatureException", message, 403)
    token = headers.get("X-Amz-Security-Token")
    return _owner(signed[1], signed["region"], token, roles, now)


def _owner(key: str, region: str, token: str | None, roles: Roles, now: int) -> Caller:
    permanent, session = _PERMANENT.fullmatch(key), roles.sessions.get(key)
    if permanent:
        caller = user(permanent[1], region)
    elif session and session.token == token:
        if session.expires <= now:
            message = "The security token included in the request is expired"
            raise ServiceError("ExpiredTokenException", message, 403)
        caller = Caller(session.account, region, session.arn, session.user_id)
    else:
        caller = None
    if caller is None or caller.account in roles.closed:
        message = "The security token included in the request is invalid."
        raise ServiceError("UnrecognizedClientException", message, 403)
    return caller
