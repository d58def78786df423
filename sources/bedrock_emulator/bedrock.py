"""The Bedrock Runtime operations: ListAsyncInvokes, GetAsyncInvoke, StartAsyncInvoke."""

import time
import uuid
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from msgspec import Meta, Struct

from .arns import model_arn
from .invocations import to_json
from .listing import View, list_async_invokes
from .messages import Request, Response, ServiceError, validation_error
from .models import MODELS, Model
from .state import Scope, State

_PATH = "/async-invoke"


def get_async_invoke(state: State, scope: Scope, request: Request) -> str:
    """One invocation by its ARN, as JSON."""
    arn = unquote(request.path.removeprefix(f"{_PATH}/"))
    row = scope.invocations.find(arn)
    if row is None or scope.invocations.submit[row] > state.now:
        # The service's model declares no ResourceNotFoundException for this operation.
        raise validation_error(f"The invocation {arn} does not exist.")
    return View(scope.invocations, state.now, scope.injector.faults).summaries([row])[0]


class S3Output(Struct, rename="camel", omit_defaults=True):
    """The place of an invocation's output."""

    s3_uri: Annotated[str, Meta(pattern=r"\As3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](/.*)?\Z")]
    kms_key_id: str | None = None
    bucket_owner: str | None = None


class OutputConfig(Struct, rename="camel"):
    """The union that holds the output's place."""

    s3_output_data_config: S3Output


class StartRequest(Struct, rename="camel"):
    """The parameters of StartAsyncInvoke that the emulator reads."""

    model_id: str
    model_input: Any
    output_data_config: OutputConfig
    client_request_token: Annotated[str, Meta(pattern=r"\A[!-~]{1,256}\Z")] | None = None


def start_async_invoke(state: State, scope: Scope, request: Request) -> str:
    """Start an invocation, once per clientRequestToken; returns its ARN as JSON.

    It starts at the virtual clock and runs as its model usually does. Raises a
    ValidationException for a malformed request, a ResourceNotFoundException for an unknown model,
    a ConflictException for a token that stands for another request.
    """
    try:
        start = msgspec.json.decode(request.body, type=StartRequest)
    except msgspec.MsgspecError as error:
        raise validation_error(f"1 validation error detected: {error}") from None
    token = start.client_request_token
    content = msgspec.json.encode(start, order="sorted")
    first_content, arn = scope.started.get(token or "", (content, ""))
    if content != first_content:
        message = "The clientRequestToken was used with other parameters."
        raise ServiceError("ConflictException", message)
    arn = arn or _submit(scope, state.now, start)
    if token is not None:
        scope.started[token] = content, arn
    return to_json({"invocationArn": arn})


def _submit(scope: Scope, now: int, start: StartRequest) -> str:
    model = _find_model(scope, start.model_id)
    latency, failure = model.draw(scope.rng)
    return scope.invocations.add(
        now,
        now + int(latency) + 1,
        model_arn(model.model_id, scope.account, scope.region),
        msgspec.to_builtins(start.output_data_config.s3_output_data_config),
        start.client_request_token,
        failure.message if failure else None,
    )


def _find_model(scope: Scope, identifier: str) -> Model:
    for model in MODELS:
        if identifier in (model.model_id, model_arn(model.model_id, scope.account, scope.region)):
            return model
    message = "Could not resolve the foundation model from the provided model identifier."
    raise ServiceError("ResourceNotFoundException", message, 404)


# By method and path: the name in IAM, the counter of the calls, and the function.
OPERATIONS: dict[tuple[str, str], tuple[str, str, Callable[[State, Scope, Request], str]]] = {
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
        caller = state.authenticate(request, "bedrock")
        scope = state.scope(caller.account, caller.region)
        scope.counters[counter] += 1
        scope.list_calls += counter == "list_calls"
        seconds = scope.injector.hang_seconds()
    state.pause(seconds)
    started = time.monotonic()
    try:
        with state.lock:
            scope.injector.check(action)
            return run(state, scope, request), scope.injector.cuts_body()
    finally:
        state.pause(started + scope.injector.faults.latency_seconds - time.monotonic())
