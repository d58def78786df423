"""What a page must become, by Python's own JSON and datetime and botocore's own parser."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from botocore.utils import parse_timestamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXTS = {
    "invocationArn": "invocation_arn",
    "modelArn": "model_arn",
    "clientRequestToken": "client_request_token",
    "status": "status",
    "failureMessage": "failure_message",
}
TIMES = {
    "submitTime": "submit_time",
    "lastModifiedTime": "last_modified_time",
    "endTime": "end_time",
}
S3_TEXTS = {
    "s3Uri": "output_s3_uri",
    "kmsKeyId": "output_kms_key_id",
    "bucketOwner": "output_bucket_owner",
}
COLUMNS = (*TEXTS.values(), *TIMES.values(), *S3_TEXTS.values(), "extra")


class NotUnderstood(Exception):
    """There is no value that would be right."""


def parsed(text: bytes | str) -> Any:
    """JSON with each number as it is written; NaN is none, and half a character is a mark."""

    def refuse(constant: str) -> Any:
        raise NotUnderstood(constant)

    try:
        whole = text.decode() if isinstance(text, bytes) else text
        value = json.loads(whole, parse_float=Decimal, parse_constant=refuse)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise NotUnderstood from error
    return _without_halves(value)


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_halves(each) for each in value]
    if isinstance(value, dict):
        return {_without_halves(name): _without_halves(each) for name, each in value.items()}
    return value


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """The rows of a page by column; times in microseconds, `extra` parsed."""
    page = parsed(body)
    if not isinstance(page, dict) or not isinstance(page.get("nextToken"), str | None):
        raise NotUnderstood
    if "asyncInvokeSummaries" not in page and page.keys() <= {"nextToken"}:
        return []
    summaries = page.get("asyncInvokeSummaries")
    if not isinstance(summaries, list):
        raise NotUnderstood
    return [_row_of(summary) for summary in summaries]


def _row_of(summary: Any) -> dict[str, Any]:
    output = _structure(_structure(summary).get("outputDataConfig"))
    s3 = _structure(output.get("s3OutputDataConfig"))
    row: dict[str, Any] = {column: _text(summary.get(name)) for name, column in TEXTS.items()}
    row |= {column: _text(s3.get(name)) for name, column in S3_TEXTS.items()}
    row |= {column: microseconds(summary.get(name)) for name, column in TIMES.items()}
    if not row["invocation_arn"] or not row["model_arn"]:
        raise NotUnderstood
    return row | {"extra": _extra(summary, output, s3)}


def _extra(summary: Any, output: Any, s3: Any) -> Any:
    extra = _rest(summary, {*TEXTS, *TIMES, "outputDataConfig"})
    extra_output = _rest(output, {"s3OutputDataConfig"})
    if extra_s3 := _rest(s3, S3_TEXTS):
        extra_output["s3OutputDataConfig"] = extra_s3
    if extra_output:
        extra["outputDataConfig"] = extra_output
    return extra or None


def _rest(structure: Any, known: Any) -> dict[str, Any]:
    return {name: value for name, value in structure.items() if name not in known}


def _structure(value: Any) -> Any:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotUnderstood
    return value


def _text(value: Any) -> str | None:
    if not isinstance(value, str | None):
        raise NotUnderstood
    return value


def microseconds(value: Any) -> int | None:
    """A listed time as botocore has it, less what it lacks of a microsecond."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise NotUnderstood
    by_python = _of_iso(value) if isinstance(value, str) else None
    if isinstance(value, str) and by_python is None:
        raise NotUnderstood
    try:
        time = parse_timestamp(float(value) if isinstance(value, Decimal) else value)
        aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
        raise NotUnderstood from error
    if by_python is not None and aware != by_python:
        raise NotUnderstood
    since: timedelta = aware - EPOCH
    return since // timedelta(microseconds=1)


def _of_iso(text: str) -> datetime | None:
    """What Python makes of it; what it does not take, nobody has to."""
    try:
        time = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        return None
