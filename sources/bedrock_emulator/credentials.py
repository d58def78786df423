"""Who calls: access keys that carry their account, assumed roles, and bearer tokens."""

import re
import secrets
from dataclasses import dataclass, field

from .errors import ServiceError

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
    """Temporary credentials; ``expires`` is an instant of the virtual clock."""

    access_key: str
    secret_key: str
    token: str
    account: str
    arn: str
    user_id: str
    expires: int


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may assume a role: all where it names nobody."""

    principal: str | None = None
    """The ARN of a role or a user."""
    external_id: str | None = None

    def admits(self, caller: Caller, external_id: str | None) -> bool:
        """Whether a caller may assume the role with an external id."""
        is_trusted = self.principal in (None, principal_of(caller.arn))
        return is_trusted and self.external_id in (None, external_id)


@dataclass(slots=True)
class Roles:
    """The roles that can be assumed, which are all but for what is said here; their sessions."""

    refused: set[str] = field(default_factory=set)
    misdirected: dict[str, str] = field(default_factory=dict)
    """From a role's ARN to the account that its sessions are in, other than the ARN's."""
    trusts: dict[str, Trust] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    """Accounts whose credentials are good no more, and whose roles cannot be assumed."""
    session_seconds: int | None = None
    """How long sessions last on the virtual clock; None: as long as the request asks."""
    sessions: dict[str, RoleSession] = field(default_factory=dict)

    def refuses(self, role_arn: str, caller: Caller, external_id: str | None) -> bool:
        """Whether a caller may not assume a role, whose ARN must be one (see `role_account`)."""
        return (
            role_arn in self.refused
            or role_account(role_arn) in self.closed
            or not self.trusts.get(role_arn, Trust()).admits(caller, external_id)
        )

    def assume(self, role_arn: str, session_name: str, seconds: int, now: int) -> RoleSession:
        """A session of a role; the ARN must be one (see `role_account`) and not refused."""
        account = self.misdirected.get(role_arn) or role_account(role_arn)
        partition, name = role_arn.split(":")[1], role_arn.rpartition("/")[2]
        role_id = f"AROA{account}EMUL"
        session = RoleSession(
            access_key=self._new_key(account),
            secret_key=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(120),
            account=account,
            arn=f"arn:{partition}:sts::{account}:assumed-role/{name}/{session_name}",
            user_id=f"{role_id}:{session_name}",
            expires=now + 1_000 * (self.session_seconds or seconds),
        )
        self.sessions[session.access_key] = session
        return session

    def reset(self) -> None:
        """Let every role be assumed as its ARN says; sessions that exist stay."""
        self.refused.clear()
        self.misdirected.clear()
        self.trusts.clear()
        self.closed.clear()
        self.session_seconds = None

    def _new_key(self, account: str) -> str:
        while (key := f"ASIA{account}{secrets.token_hex(2).upper()}") in self.sessions:
            pass
        return key


def principal_of(arn: str) -> str:
    """What a trust policy calls a caller: the role of an assumed role's session."""
    head, *session = arn.replace(":sts:", ":iam:", 1).split(":assumed-role/")
    return f"{head}:role/{session[0].rpartition('/')[0]}" if session else arn


def role_account(role_arn: str) -> str:
    """The account in a role's ARN; a ValidationError for anything else."""
    match = _ROLE.fullmatch(role_arn)
    if not match:
        raise ServiceError("ValidationError", f"{role_arn} is invalid")
    return match[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a request shows of its caller."""

    authorization: str | None
    security_token: str | None
    service: str


def identify(
    shown: Credentials, roles: Roles, now: int, *, bearer_account: str, default_region: str
) -> Caller:
    """The caller of a request; signatures are not verified, keys and their expiration are."""
    header = shown.authorization
    if not header:
        raise ServiceError(
            "MissingAuthenticationTokenException", "Missing Authentication Token", 403
        )
    if header.startswith("Bearer ") and shown.service == "bedrock":
        return _permanent(bearer_account, default_region)
    signed = _SIGNED.match(header)
    if not signed:
        raise ServiceError(
            "IncompleteSignatureException", "Authorization header is not SigV4 or Bearer.", 403
        )
    if signed["service"] != shown.service:
        raise ServiceError(
            "InvalidSignatureException",
            f"Credential should be scoped to correct service: '{shown.service}'.",
            403,
        )
    caller = _signer(signed[1], signed["region"], shown.security_token, roles, now)
    if caller.account in roles.closed:
        raise _unrecognized()
    return caller


def _signer(key: str, region: str, token: str | None, roles: Roles, now: int) -> Caller:
    if permanent := _PERMANENT.fullmatch(key):
        return _permanent(permanent[1], region)
    session = roles.sessions.get(key)
    if session is None or token != session.token:
        raise _unrecognized()
    if session.expires <= now:
        raise ServiceError(
            "ExpiredTokenException", "The security token included in the request is expired", 403
        )
    return Caller(session.account, region, session.arn, session.user_id)


def _unrecognized() -> ServiceError:
    message = "The security token included in the request is invalid."
    return ServiceError("UnrecognizedClientException", message, 403)


def _permanent(account: str, region: str) -> Caller:
    return Caller(account, region, f"arn:aws:iam::{account}:user/emulator", f"AIDA{account}EMUL")
