"""Control routes of the invocations: generate them, submit one, read them all."""

from collections.abc import Iterator
from typing import Any

from ..instants import milliseconds
from ..listing import Query, View
from ..models import MODELS
from ..scope import Invocation
from ..summaries import partition_of, render
from ..timeline import NEVER_ENDING_RATE, generate
from ..world import World
from .fields import Fields

BLOCK_ROWS = 5_000


def populate(world: World, fields: Fields) -> Any:
    """Add a generated timeline to a scope."""
    account, region = fields.scope()
    count, seed = fields.take("count", int), fields.take("seed", int, 0)
    start, end = fields.instant("start"), fields.instant("end")
    rate = fields.take("never_ending_rate", (int, float), NEVER_ENDING_RATE)
    fields.end()
    rows = generate(
        seed=seed,
        account=account,
        region=region,
        count=count,
        start=start,
        end=end,
        never_ending_rate=rate,
    )
    with world.lock:
        world.merge(account, region, rows)
    return {"added": len(rows)}


def submit(world: World, fields: Fields) -> Any:
    """Add one invocation with a given fate."""
    account, region = fields.scope()
    model_id = fields.take("model_id", str, MODELS[0].model_id)
    start = milliseconds(fields.instant("submit_time"))
    seconds = fields.take("duration_seconds", (int, float, type(None)), None)
    message = fields.take("failure_message", (str, type(None)), None)
    token = fields.take("client_request_token", (str, type(None)), None)
    output = {"s3Uri": fields.take("s3_uri", str, f"s3://invocations-{account}/output")}
    fields.end()
    if seconds is not None and seconds < 0:
        raise ValueError(f"duration_seconds cannot be {seconds!r}")
    invocation = Invocation(
        model_arn=_model_arn(model_id, account, region),
        submit=start,
        end=None if seconds is None else start + round(seconds * 1_000),
        output=output,
        client_request_token=token,
        failure_message=message,
    )
    with world.lock:
        return {"invocationArn": world.scope(account, region).submit(invocation)}


def _model_arn(model_id: str, account: str, region: str) -> str:
    for model in MODELS:
        if model.model_id == model_id:
            return model.arn(partition_of(region), account, region)
    if model_id.startswith("arn:"):
        return model_id
    return f"arn:{partition_of(region)}:bedrock:{region}::foundation-model/{model_id}"


def put_raw(world: World, fields: Fields) -> Any:
    """Add a summary that is listed exactly as it is given."""
    account, region = fields.scope()
    start, summary = milliseconds(fields.instant("submit_time")), fields.take("summary", dict)
    fields.end()
    with world.lock:
        world.scope(account, region).put_raw(start, summary)
    return {}


def get_scopes(world: World, fields: Fields) -> Any:
    """The scopes that have invocations, and how many."""
    fields.end()
    with world.lock:
        return [
            {"account": one.account, "region": one.region, "invocations": len(one.invocations)}
            for one in world.populated()
        ]


def read_listing(world: World, account: str, region: str) -> Iterator[bytes]:
    """Read all that is listed at this instant of the clock: one summary per line, ascending."""
    with world.lock:
        now, scope = world.now, world.scope(account, region)
        view = View(scope.invocations, now, scope.injector.faults)
    query, position, more = Query(ascending=True), None, True
    while more:
        with world.lock:
            rows = scope.invocations
            page = view.page(query, position, BLOCK_ROWS)
            more = page.more
            if more:
                position = rows.submit[page.rows[-1]], rows.id_at(page.rows[-1])
            unknown_members = view.faults.unknown_members
            lines = render(rows, page.rows, now, unknown_members=unknown_members)
        if lines:
            yield ("\n".join(lines) + "\n").encode()
