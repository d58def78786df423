"""What a page of the listing may be, and what is told where it is something else."""

import json
from typing import Any

import orjson
import pyarrow as pa
import pytest

from bedrock_async_invokes.errors import BrokenPage, UnreadableInvocation
from bedrock_async_invokes.pages import PAGE_SCHEMA, page_of, read_page

ARN = "arn:aws:bedrock:us-east-1:111122223333:async-invoke/abcdefghijkl"
LISTED = {"invocationArn": ARN, "status": "Completed"}


def body_of(*listed: Any, **members: Any) -> bytes:
    return orjson.dumps({"asyncInvokeSummaries": listed} | members)


def test_members_that_are_new_are_kept_as_json() -> None:
    output = {"s3OutputDataConfig": {"s3Uri": "s3://b", "new": 1}, "newer": [2]}
    page = read_page(body_of(LISTED, LISTED | {"newest": 1e3, "outputDataConfig": output}))
    assert page.listed["extra"].to_pylist() == [
        None,
        '{"newest":1000.0,"outputDataConfig":{"newer":[2],"s3OutputDataConfig":{"new":1}}}',
    ]
    assert page.listed.schema == PAGE_SCHEMA
    listed = read_page(body_of(LISTED, new={"of": "the page"})).listed
    assert listed["invocation_arn"].to_pylist() == [ARN]


@pytest.mark.parametrize("body", [b"{}", b'{"asyncInvokeSummaries": []}', b'{"nextToken": null}'])
def test_a_page_may_be_empty(body: bytes) -> None:
    assert read_page(body) == page_of([])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        b'{"asyncInvokeSummaries": null}',
        b'{"asyncInvokeSummaries": {}}',
        b'{"asyncInvokeSummaries": [null]}',
        b'{"asyncInvokeSummaries": [1]}',
        body_of(LISTED)[:-2],
        body_of(LISTED) * 2,
        body_of(LISTED) + b"\n" + body_of(LISTED),
        b'{"asyncInvokeSummaries": [{"status": "\xff"}]}',
    ],
)
def test_what_is_no_page_is_told(body: bytes) -> None:
    with pytest.raises(BrokenPage):
        read_page(body)


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"status": 7}, "Invocation .*abcdefghijkl: status is int, not text."),
        ({"modelArn": ["a"]}, "Invocation .*abcdefghijkl: modelArn is list, not text."),
        ({"outputDataConfig": "s3"}, "outputDataConfig is str, not a structure."),
        ({"endTime": {}}, "endTime is {}, not a time."),
        ({"outputDataConfig": [["s3OutputDataConfig", {}]]}, "is list, not a structure."),
        ({"outputDataConfig": {"s3OutputDataConfig": {"s3Uri": 1}}}, "s3Uri is int, not text."),
    ],
)
def test_an_invocation_that_cannot_be_read_is_named(
    members: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UnreadableInvocation, match=complaint):
        read_page(body_of(LISTED, LISTED | members))


def test_the_last_of_a_members_values_counts() -> None:
    """As JSON readers have it."""
    body = b'{"asyncInvokeSummaries": [{"status": "InProgress", "status": "Failed"}]}'
    assert read_page(body).listed["status"].to_pylist() == ["Failed"]


def test_half_a_surrogate_pair_is_replaced() -> None:
    body = json.dumps({"asyncInvokeSummaries": [{"failureMessage": "cut \ud83d"}]}).encode()
    [message] = read_page(body).listed["failure_message"].to_pylist()
    assert message == "cut \ufffd"


def test_a_number_is_a_time_as_botocore_reads_it() -> None:
    [time] = read_page(body_of({"endTime": 0})).listed["end_time"].to_pylist()
    assert time == "1970-01-01T00:00:00+00:00"


def test_a_large_page_is_read_whole() -> None:
    message = "x" * 3_000_000
    page = read_page(body_of(LISTED, {"failureMessage": message}, LISTED, nextToken="t"))
    assert (len(page), page.next_token) == (3, "t")
    assert pa.compute.binary_length(page.listed["failure_message"]).to_pylist() == [
        None,
        3_000_000,
        None,
    ]
