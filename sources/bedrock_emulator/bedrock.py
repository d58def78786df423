"""The Bedrock Runtime operations: ListAsyncInvokes, GetAsyncInvoke, StartAsyncInvoke."""

import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from .invocations import summary_template, to_json
from .listing import list_async_invokes
from .messages import Request, Response, ServiceError, validation_error
from .models import MODELS
from .state import Scope, State

_PATH = "/async-invoke"


def get_async_invoke(now: int, scope: Scope, request: Request) -> str:
    """One invocation by its ARN, as JSON."""
    arn = unquote(request.path.removeprefix(f"{_PATH}/"))
    row = scope.invocations.find(arn)
    if row is None or not scope.oldest_kept(now) <= row.submit <= now:
        # The service's model declares no ResourceNotFoundException for this operation.
        raise validation_error(f"The invocation {arn} does not exist.")
    return row.summary(now, unknown_members=scope.faults.unknown_members)


class OutputConfig(Struct, rename="camel"):
    """The union that holds the output's place."""

    s3_output_data_config: dict[str, Any]


class StartRequest(Struct, rename="camel"):
    """The parameters of StartAsyncInvoke that the emulator reads."""

    model_id: str
    output_data_config: OutputConfig
    client_request_token: str | None = None


def start_async_invoke(now: int, scope: Scope, request: Request) -> str:
    """Start an invocation, once per clientRequestToken; returns its ARN as JSON.

    It starts at the virtual clock and runs as its model usually does, an unknown one as Nova Reel.
    Raises a ValidationException for a request that lacks a member.
    """
    try:
        start = msgspec.json.decode(request.body, type=StartRequest)
    except msgspec.MsgspecError as error:
        raise validation_error(f"1 validation error detected: {error}") from None
    token = start.client_request_token
    arn = scope.started.get(token or "") or _submit(scope, now, start)
    if token is not None:
        scope.started[token] = arn
    return to_json({"invocationArn": arn})


def _submit(scope: Scope, now: int, start: StartRequest) -> str:
    known = (model for model in MODELS if start.model_id.endswith(model.model_id))
    latency, failure = next(known, MODELS[0]).draw(scope.rng)
    template = summary_template(
        scope.account,
        scope.region,
        start.model_id,
        start.output_data_config.s3_output_data_config,
        start.client_request_token,
    )
    message = failure.message if failure else None
    return scope.invocations.add(now, now + int(latency) + 1, template, message)


# By method and path: the name in IAM, the counter of the calls, and the function.
OPERATIONS: dict[tuple[str, str], tuple[str, str, Callable[[int, Scope, Request], str]]] = {
    ("GET", _PATH): ("ListAsyncInvokes", "list_calls", list_async_invokes),
    ("POST", _PATH): ("StartAsyncInvoke", "start_calls", start_async_invoke),
    ("GET", f"{_PATH}/"): ("GetAsyncInvoke", "get_calls", get_async_invoke),
}


def respond(state: State, request: Request) -> Response:
    """Serve one request; errors come in rest-json's form."""
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    try:
        text, is_cut = _serve(state, request)
    except ServiceError as error:
        headers["x-amzn-ErrorType"] = error.code
        return Response(to_json({"message": error.message}).encode(), error.status, headers)
    return Response(text.encode(), headers=headers, is_cut=is_cut)


def _serve(state: State, request: Request) -> tuple[str, bool]:
    path = f"{_PATH}/" if request.path.startswith(f"{_PATH}/") else request.path
    if (request.method, path) not in OPERATIONS:
        raise ServiceError("UnknownOperationException", "The emulator has no such operation.", 404)
    action, counter, run = OPERATIONS[request.method, path]
    with state.lock:
        caller, region = state.authenticate(request, "bedrock")
        scope = state.scope(caller.account, region)
        scope.counters[counter] += 1
        scope.list_calls += counter == "list_calls"
        faults, injector = scope.faults, scope.injector
        hangs = injector.strikes("hung", faults.hang_rate)
    if hangs:
        state.pause(faults.hang_seconds)
    started = time.monotonic()
    try:
        with state.lock:
            injector.check(action)
            answer = run(state.now, scope, request)
            return answer, injector.strikes("cut_body", faults.cut_body_rate)
    finally:
        state.pause(started + faults.latency_seconds - time.monotonic())
