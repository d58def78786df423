"""The Bedrock Runtime operations: ListAsyncInvokes, GetAsyncInvoke, StartAsyncInvoke."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from .errors import ServiceError, validation_error
from .list_request import parse_list_request
from .listing import View
from .requests import Answer, Request
from .scope import Scope
from .start import start
from .summaries import render, to_json
from .tokens import PageToken
from .world import World

_PATH = "/async-invoke"


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated call on a scope."""

    world: World
    scope: Scope
    request: Request


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: its name in IAM, the counter of its calls, what it does."""

    action: str
    counter: str
    run: Callable[[Call], str]


def answer(world: World, request: Request) -> Answer:
    """Serve one request; errors come in rest-json's form."""
    request_id = {"x-amzn-RequestId": str(uuid.uuid4())}
    try:
        body, is_cut = _serve(world, request)
    except ServiceError as error:
        headers = {"x-amzn-ErrorType": error.code, **request_id}
        body = to_json({"message": error.message}).encode()
        return Answer(body, error.status, headers=headers)
    return Answer(body, headers=request_id, is_cut=is_cut)


def _serve(world: World, request: Request) -> tuple[bytes, bool]:
    operation = _route(request)
    with world.lock:
        caller = world.identify(request.headers, "bedrock")
        scope = world.scope(caller.account, caller.region)
        scope.count(operation.counter)
        scope.list_calls += operation is LIST
        seconds = scope.injector.hang_seconds()
    world.pause(seconds)
    started = time.monotonic()
    try:
        with world.lock:
            failure = scope.injector.failure(operation.action)
            if failure:
                raise failure
            body = operation.run(Call(world, scope, request)).encode()
            return body, scope.injector.cuts_body()
    finally:
        world.pause(started + scope.injector.faults.latency_seconds - time.monotonic())


def _route(request: Request) -> Operation:
    if request.path == _PATH and request.method == "GET":
        return LIST
    if request.path == _PATH and request.method == "POST":
        return START
    if request.path.startswith(f"{_PATH}/") and request.method == "GET":
        return GET
    raise ServiceError("UnknownOperationException", "The emulator has no such operation.", 404)


def list_async_invokes(call: Call) -> str:
    """One page of the scope's invocations."""
    world, scope = call.world, call.scope
    injector = scope.injector
    parameters = dict(parse_qsl(call.request.query, keep_blank_values=True))
    wanted = parse_list_request(scope.account, scope.region, parameters)
    token = _continued(world, scope, wanted.token, wanted.identity)
    position = None if token.submit is None else (token.submit, token.invocation_id)
    view = View(scope.invocations, world.now, injector.faults)
    if injector.empties_page(token.empty_pages):
        empty_pages = token.empty_pages + 1
        return _page_json([], _next(world, scope, wanted.identity, position, empty_pages))
    page = view.page(wanted.query, position, injector.page_length(wanted.query.max_results))
    summaries = render(
        scope.invocations, page.rows, world.now, unknown_members=injector.faults.unknown_members
    )
    scope.count("rows_served", len(summaries))
    if not page.more:
        return _page_json(summaries, None)
    last = page.rows[-1]
    position = scope.invocations.submit[last], scope.invocations.id_at(last)
    return _page_json(summaries, _next(world, scope, wanted.identity, position, 0))


def _continued(world: World, scope: Scope, text: str | None, identity: str) -> PageToken:
    if text is None:
        return PageToken(None, "", identity, scope.list_calls, 0)
    token = world.tokens.read(text, identity)
    lifetime = scope.injector.faults.token_ttl_calls
    if lifetime and scope.list_calls - token.issued_at > lifetime:
        scope.count("expired_token")
        raise validation_error("The provided nextToken has expired.")
    return token


def _next(
    world: World, scope: Scope, identity: str, position: tuple[int, str] | None, empty_pages: int
) -> str:
    submit, invocation_id = position or (None, "")
    token = PageToken(submit, invocation_id, identity, scope.list_calls, empty_pages)
    return world.tokens.write(token)


def _page_json(summaries: list[str], token: str | None) -> str:
    page = f'{{"asyncInvokeSummaries":[{",".join(summaries)}]'
    return f'{page},"nextToken":"{token}"}}' if token else f"{page}}}"


def get_async_invoke(call: Call) -> str:
    """One invocation by its ARN."""
    scope, now = call.scope, call.world.now
    arn = unquote(call.request.path.removeprefix(f"{_PATH}/"))
    row = scope.find(arn)
    if row is None or scope.invocations.submit[row] > now:
        # The service's model declares no ResourceNotFoundException for this operation.
        raise validation_error(f"The invocation {arn} does not exist.")
    faults = scope.injector.faults
    return render(scope.invocations, [row], now, unknown_members=faults.unknown_members)[0]


def start_async_invoke(call: Call) -> str:
    """Start an invocation at the virtual clock; it runs as its model usually does."""
    arn = start(call.scope, call.world.now, call.request.body)
    return to_json({"invocationArn": arn})


LIST = Operation("ListAsyncInvokes", "list_calls", list_async_invokes)
GET = Operation("GetAsyncInvoke", "get_calls", get_async_invoke)
START = Operation("StartAsyncInvoke", "start_calls", start_async_invoke)
