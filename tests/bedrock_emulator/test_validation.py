"""What the service's model forbids is a ValidationException, and so is what does not exist."""

from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from bedrock_emulator import Control, Emulator

from .wire import ACCOUNT, HOUR, NOW, REGION, fetch, signed


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("statusEquals=Paused", "`$.statusEquals`"),
        ("statusEquals=", "`$.statusEquals`"),
        ("sortOrder=Sideways", "`$.sortOrder`"),
        ("sortBy=EndTime", "`$.sortBy`"),
        ("maxResults=0", "`$.maxResults`"),
        ("maxResults=1001", "`$.maxResults`"),
        ("maxResults=-1", "`$.maxResults`"),
        ("maxResults=ten", "`$.maxResults`"),
        ("submitTimeAfter=yesterday", "`$.submitTimeAfter`"),
        ("submitTimeBefore=2026-02-30T00:00:00Z", "`$.submitTimeBefore`"),
        ("submitTimeBefore=2026-01-01T00:00:00", "`$.submitTimeBefore`"),
        ("nextToken=", "`$.nextToken`"),
        ("nextToken=made-up", "nextToken is invalid"),
        ("nextToken=%F0%9F%99%82", "nextToken is invalid"),
    ],
)
def test_a_bad_parameter_is_named(emulator: Emulator, query: str, message: str) -> None:
    """In AWS's wire form, with the parameter in the message."""
    status, headers, body = fetch(emulator.url, f"/async-invoke?{query}", authorization=signed())

    assert (status, headers["x-amzn-ErrorType"]) == (400, "ValidationException")
    assert headers["x-amzn-RequestId"]
    assert message in orjson.loads(body)["message"]


@pytest.mark.parametrize("size", [1, 1000])
def test_the_limits_of_max_results_are_allowed(emulator: Emulator, size: int) -> None:
    """1 and 1,000 are fine."""
    status, _, body = fetch(
        emulator.url, f"/async-invoke?maxResults={size}", authorization=signed()
    )

    assert (status, orjson.loads(body)) == (200, {"asyncInvokeSummaries": []})


def test_boto3_sees_the_exception_class(bedrock: Any) -> None:
    """The error is parsed to the class that callers catch."""
    with pytest.raises(bedrock.exceptions.ValidationException) as caught:
        bedrock.list_async_invokes(statusEquals="Paused")

    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert caught.value.response["ResponseMetadata"]["RequestId"]


def test_an_unknown_invocation_cannot_be_got(control: Control, bedrock: Any) -> None:
    """Neither a made-up one, nor one of another account, nor one of the future."""
    unknown = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/aaaaaaaaaaaa"
    foreign = control.submit("999999999999", REGION, submit_time=NOW)
    future = control.submit(ACCOUNT, REGION, submit_time=NOW + HOUR)

    for arn in (unknown, foreign, future, "no arn"):
        with pytest.raises(ClientError, match=r"ValidationException.*does not exist"):
            bedrock.get_async_invoke(invocationArn=arn)


def test_an_unknown_path_is_an_unknown_operation(emulator: Emulator) -> None:
    """A 404, as from AWS."""
    status, headers, _ = fetch(emulator.url, "/model/x/invoke", authorization=signed())

    assert (status, headers["x-amzn-ErrorType"]) == (404, "UnknownOperationException")
