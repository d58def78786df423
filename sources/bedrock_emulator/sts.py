"""The STS operations: AssumeRole and GetCallerIdentity, in the query protocol."""

import re
import time
import uuid
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from .credentials import Caller
from .messages import Request, Response, ServiceError
from .state import State
from .timestamps import SECOND, iso

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
SHORTEST_SESSION, LONGEST_SESSION, DEFAULT_SESSION = 900, 43_200, 3_600
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")
# The query protocol has its own names for what rest-json services call these.
_CODES = {
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ExpiredTokenException": "ExpiredToken",
}


def respond(state: State, request: Request) -> Response:
    """Serve one request; errors come in the query protocol's form."""
    request_id = str(uuid.uuid4())
    headers = {"Content-Type": "text/xml", "x-amzn-RequestId": request_id}
    try:
        text, status = _serve(state, request, request_id), 200
    except ServiceError as error:
        text, status = _error(error, request_id), error.status
    return Response(text.encode(), status, headers)


def _serve(state: State, request: Request, request_id: str) -> str:
    parameters = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    action = parameters.get("Action", "")
    with state.lock:
        caller = state.authenticate(request, "sts")
        if action == "GetCallerIdentity":
            result = _identity(caller)
        elif action == "AssumeRole":
            result = _assume_role(state, caller, parameters)
        else:
            raise ServiceError("InvalidAction", f"Could not find operation {action}")
    return (
        f'<{action}Response xmlns="{NAMESPACE}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        f"</{action}Response>"
    )


def _identity(caller: Caller) -> str:
    return (
        f"<Arn>{escape(caller.arn)}</Arn><UserId>{escape(caller.user_id)}</UserId>"
        f"<Account>{caller.account}</Account>"
    )


def _assume_role(state: State, caller: Caller, parameters: dict[str, str]) -> str:
    role_arn, name = parameters.get("RoleArn", ""), parameters.get("RoleSessionName", "")
    seconds = _duration(parameters)
    if not _SESSION_NAME.fullmatch(name):
        raise ServiceError("ValidationError", f"RoleSessionName {name!r} is invalid")
    if state.roles.refuses(role_arn, caller, parameters.get("ExternalId")):
        action = f"perform: sts:AssumeRole on resource: {role_arn}"
        message = f"User: {caller.arn} is not authorized to {action}"
        raise ServiceError("AccessDenied", message, 403)
    session = state.roles.assume(role_arn, name, seconds, state.now)
    # SDKs compare the expiration with the machine's clock, which the virtual one may be years
    # from: it is announced in real time, and kept in virtual time.
    expiration = iso(int(time.time() + seconds) * SECOND)
    return (
        f"<Credentials><AccessKeyId>{session.access_key}</AccessKeyId>"
        f"<SecretAccessKey>{session.secret_key}</SecretAccessKey>"
        f"<SessionToken>{session.token}</SessionToken>"
        f"<Expiration>{expiration}</Expiration></Credentials>"
        f"<AssumedRoleUser><AssumedRoleId>{escape(session.user_id)}</AssumedRoleId>"
        f"<Arn>{escape(session.arn)}</Arn></AssumedRoleUser>"
    )


def _duration(parameters: dict[str, str]) -> int:
    text = parameters.get("DurationSeconds", str(DEFAULT_SESSION))
    if not text.isdecimal() or not SHORTEST_SESSION <= int(text[:9]) <= LONGEST_SESSION:
        message = f"DurationSeconds must be between {SHORTEST_SESSION} and {LONGEST_SESSION}"
        raise ServiceError("ValidationError", message)
    return int(text)


def _error(error: ServiceError, request_id: str) -> str:
    kind = "Receiver" if error.status >= 500 else "Sender"
    code = _CODES.get(error.code, error.code)
    return (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>{kind}</Type><Code>{code}</Code>'
        f"<Message>{escape(error.message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
