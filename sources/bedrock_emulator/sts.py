"""The STS operations: AssumeRole and GetCallerIdentity, in the query protocol."""

import time
import uuid
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from .credentials import Identity
from .messages import Request, Response, ServiceError
from .state import State
from .timestamps import SECOND, iso

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
# The query protocol has its own names for what rest-json services call these.
_CODES = {
    "IncompleteSignatureException": "IncompleteSignature",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ExpiredTokenException": "ExpiredToken",
}


def respond(state: State, request: Request) -> Response:
    """Serve one request; errors come in the query protocol's form."""
    request_id = str(uuid.uuid4())
    parameters = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    name, status = parameters.get("Action", ""), 200
    members: dict[str, Any]
    try:
        with state.lock:
            caller, _ = state.authenticate(request, "sts")
            result = _serve(state, caller, parameters)
        members = {f"{name}Result": result, "ResponseMetadata": {"RequestId": request_id}}
    except ServiceError as error:
        name, status = "Error", error.status
        code = _CODES.get(error.code, error.code)
        fault = {"Type": "Sender", "Code": code, "Message": error.message}
        members = {"Error": fault, "RequestId": request_id}
    text = f'<{name}Response xmlns="{NAMESPACE}">{_xml(members)}</{name}Response>'
    headers = {"Content-Type": "text/xml", "x-amzn-RequestId": request_id}
    return Response(text.encode(), status, headers)


def _xml(members: dict[str, Any]) -> str:
    return "".join(
        f"<{name}>{_xml(value) if isinstance(value, dict) else escape(value)}</{name}>"
        for name, value in members.items()
    )


def _serve(state: State, caller: Identity, parameters: dict[str, str]) -> dict[str, Any]:
    action = parameters.get("Action", "")
    if action == "GetCallerIdentity":
        return {"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account}
    if action == "AssumeRole":
        return _assume_role(state, caller, parameters)
    raise ServiceError("InvalidAction", f"Could not find operation {action}")


def _assume_role(state: State, caller: Identity, parameters: dict[str, str]) -> dict[str, Any]:
    try:
        role_arn, session_name = parameters["RoleArn"], parameters["RoleSessionName"]
        seconds = int(parameters.get("DurationSeconds", 3_600))
    except (KeyError, ValueError) as error:
        raise ServiceError("ValidationError", f"Missing or malformed parameter: {error}") from None
    if state.roles.refuses(role_arn, caller, parameters.get("ExternalId")):
        action = f"perform: sts:AssumeRole on resource: {role_arn}"
        message = f"User: {caller.arn} is not authorized to {action}"
        raise ServiceError("AccessDenied", message, 403)
    session = state.roles.assume(role_arn, session_name, seconds, state.now)
    return {
        "Credentials": {
            "AccessKeyId": session.access_key,
            "SecretAccessKey": session.secret_key,
            "SessionToken": session.token,
            # SDKs compare it with the machine's clock, which the virtual one may be years from:
            # it is announced in real time, and kept in virtual time.
            "Expiration": iso(int(time.time() + seconds) * SECOND),
        },
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
    }
