"""StartAsyncInvoke: a request becomes an invocation."""

import hashlib
import re
from math import log
from typing import Any

import orjson

from .errors import ServiceError, validation_error
from .instants import SECOND
from .models import MODELS, Model
from .scope import Invocation, Scope
from .summaries import partition_of

_S3_URI = re.compile(r"s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](/.*)?")
_TOKEN = re.compile(r"[!-~]{1,256}")
_OUTPUT_MEMBERS = ("s3Uri", "kmsKeyId", "bucketOwner")


def start(scope: Scope, now: int, body: bytes) -> str:
    """Start what a request asks for, once per clientRequestToken; returns the ARN.

    Raises a ValidationException for a malformed request, a ResourceNotFoundException for an
    unknown model, a ConflictException for a token that stands for another request.
    """
    request = _parse(body)
    token = request.pop("clientRequestToken", None)
    digest = hashlib.sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()
    if token in scope.started:
        return _repeated(scope.started[token], digest)
    model = _find_model(scope, request["modelId"])
    arn = scope.submit(_run(scope, model, now, request["outputDataConfig"], token))
    if token is not None:
        scope.started[token] = digest, arn
    return arn


def _repeated(started: tuple[str, str], digest: str) -> str:
    first_digest, arn = started
    if digest != first_digest:
        raise ServiceError(
            "ConflictException", "The clientRequestToken was used with other parameters."
        )
    return arn


def _parse(body: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise validation_error("The request is not JSON.") from None
    if not isinstance(request, dict):
        raise validation_error("The request is not a JSON object.")
    for name in ("modelId", "modelInput", "outputDataConfig"):
        if name not in request:
            raise validation_error(f"1 validation error detected: '{name}' is required")
    uri = _s3_output(request["outputDataConfig"]).get("s3Uri")
    if not isinstance(uri, str) or not _S3_URI.fullmatch(uri):
        raise validation_error("outputDataConfig.s3OutputDataConfig.s3Uri is not an S3 URI")
    token = request.get("clientRequestToken")
    if token is not None and not (isinstance(token, str) and _TOKEN.fullmatch(token)):
        raise validation_error("clientRequestToken must be 1 to 256 printable characters")
    return request


def _s3_output(config: Any) -> dict[str, Any]:
    output = config.get("s3OutputDataConfig") if isinstance(config, dict) else None
    return output if isinstance(output, dict) else {}


def _find_model(scope: Scope, identifier: Any) -> Model:
    for model in MODELS:
        arn = model.arn(partition_of(scope.region), scope.account, scope.region)
        if identifier in (model.model_id, arn):
            return model
    raise ServiceError(
        "ResourceNotFoundException",
        "Could not resolve the foundation model from the provided model identifier.",
        404,
    )


def _run(scope: Scope, model: Model, now: int, config: Any, token: str | None) -> Invocation:
    rng, output = scope.rng, _s3_output(config)
    latency = rng.lognormvariate(log(model.median_seconds * SECOND), model.sigma)
    failure = None
    if rng.random() < model.failure_rate:
        failure = rng.choices(model.failures, [one.weight for one in model.failures])[0]
    return Invocation(
        model_arn=model.arn(partition_of(scope.region), scope.account, scope.region),
        submit=now,
        end=now + int(latency * (failure.pace if failure else 1)) + 1,
        output={name: output[name] for name in _OUTPUT_MEMBERS if name in output},
        client_request_token=token,
        failure_message=failure.message if failure else None,
    )
