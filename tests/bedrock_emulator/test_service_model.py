"""Answers and errors have the form that botocore's service models describe."""

from collections import Counter
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import msgspec
import orjson
import pytest

from bedrock_emulator import Control, Emulator
from bedrock_emulator.listing import ListRequest

from .shapes import operation, violations
from .wire import (
    ACCOUNT,
    DAY,
    HOUR,
    NOW,
    REGION,
    fetch,
    list_raw,
    raw_pages,
    signed,
)


@pytest.mark.parametrize("region", [REGION, "us-gov-west-1", "cn-north-1"])
def test_list_answers_conform(emulator: Emulator, control: Control, region: str) -> None:
    """A whole timeline, seen while much of it is running, keeps to the model."""
    control.populate(ACCOUNT, region, 3_000, NOW - DAY, NOW + HOUR, seed=1)
    shape = operation("ListAsyncInvokes").output_shape
    status, _, body = fetch(
        emulator.url, "/async-invoke?maxResults=1000", authorization=signed(region=region)
    )
    page = orjson.loads(body)
    statuses = Counter(row["status"] for row in page["asyncInvokeSummaries"])

    assert status == 200
    assert violations(page, shape) == []
    assert set(statuses) == {"InProgress", "Completed", "Failed"}


def test_members_follow_from_the_status(emulator: Emulator, control: Control) -> None:
    """Running ones have no end; ended ones were last modified at their end; failed ones say why."""
    control.populate(ACCOUNT, REGION, 2_000, NOW - DAY, NOW, seed=1)
    expected = {
        "InProgress": (False, False, "submitTime"),
        "Completed": (True, False, "endTime"),
        "Failed": (True, True, "endTime"),
    }

    for page in raw_pages(emulator.url, maxResults=1000):
        for row in page["asyncInvokeSummaries"]:
            has_end, has_message, modified = expected[row["status"]]
            assert ("endTime" in row, "failureMessage" in row) == (has_end, has_message)
            assert row["lastModifiedTime"] == row[modified]


def test_get_answers_conform_and_equal_the_listing(emulator: Emulator, control: Control) -> None:
    """GetAsyncInvoke gives what the listing gives."""
    control.populate(ACCOUNT, REGION, 60, NOW - HOUR, NOW, seed=2)
    shape = operation("GetAsyncInvoke").output_shape

    for row in list_raw(emulator.url)["asyncInvokeSummaries"]:
        path = f"/async-invoke/{quote(row['invocationArn'], safe='')}"
        status, _, body = fetch(emulator.url, path, authorization=signed())
        answer = orjson.loads(body)
        assert (status, answer, violations(answer, shape)) == (200, row, [])


def test_start_answers_conform(emulator: Emulator) -> None:
    """StartAsyncInvoke gives an ARN."""
    output = {"s3OutputDataConfig": {"s3Uri": "s3://bucket"}}
    request = {"modelId": "luma.ray-v2:0", "modelInput": {}, "outputDataConfig": output}

    status, _, body = fetch(
        emulator.url,
        "/async-invoke",
        method="POST",
        body=orjson.dumps(request),
        authorization=signed(),
    )

    assert status == 200
    assert violations(orjson.loads(body), operation("StartAsyncInvoke").output_shape) == []


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("GetCallerIdentity", {}),
        (
            "AssumeRole",
            {"RoleArn": "arn:aws:iam::444455556666:role/team/reader", "RoleSessionName": "etl"},
        ),
    ],
)
def test_sts_answers_conform(emulator: Emulator, name: str, parameters: dict[str, str]) -> None:
    """The members of the XML are those of the model, in its namespace and wrapper."""
    model = operation(name, "sts")
    form = urlencode({"Action": name, "Version": model.service_model.api_version, **parameters})
    status, headers, body = fetch(
        emulator.url, "/", method="POST", body=form.encode(), authorization=signed(service="sts")
    )
    namespace = f"{{{model.service_model.metadata['xmlNamespace']}}}"
    root = ElementTree.fromstring(body)
    result = root.find(f"{namespace}{name}Result")

    assert (status, headers["Content-Type"]) == (200, "text/xml")
    assert root.tag == f"{namespace}{name}Response"
    assert result is not None
    assert violations(_members(result), model.output_shape) == []
    assert root.findtext(f"{namespace}ResponseMetadata/{namespace}RequestId")


def _members(element: ElementTree.Element) -> Any:
    if not len(element):
        return element.text
    return {child.tag.partition("}")[2]: _members(child) for child in element}


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ({"access_denied": True}, "AccessDeniedException"),
        ({"throttle_per_second": 1, "throttle_burst": 0}, "ThrottlingException"),
        ({"error_500_rate": 1}, "InternalServerException"),
    ],
)
def test_errors_have_the_wire_form_of_the_model(
    emulator: Emulator, control: Control, faults: dict[str, Any], code: str
) -> None:
    """The status of the model, the code in a header, the message in the body, a request id."""
    control.faults(**faults)
    shape = next(s for s in operation("ListAsyncInvokes").error_shapes if s.name == code)

    status, headers, body = fetch(emulator.url, "/async-invoke", authorization=signed())

    assert (status, headers["x-amzn-ErrorType"]) == (
        shape.metadata["error"]["httpStatusCode"],
        code,
    )
    assert headers["x-amzn-RequestId"]
    assert violations(orjson.loads(body), shape) == []
    assert list(orjson.loads(body)) == ["message"]


def test_every_limit_of_the_list_request_is_the_models() -> None:
    """The emulator's limits are the model's, which would show when it moves on."""
    members = operation("ListAsyncInvokes").input_shape.members
    limits = {
        "maxResults": ("minimum", "maximum"),
        "nextToken": ("minLength", "maxLength"),
        "statusEquals": ("enum",),
        "sortBy": ("enum",),
        "sortOrder": ("enum",),
    }

    _, schemas = msgspec.json.schema_components([ListRequest])
    ours = schemas["ListRequest"]["properties"]

    assert set(ours) == set(members)
    for name, keywords in limits.items():
        schema, *_ = ours[name].get("anyOf", [ours[name]])
        limit = members[name].metadata
        expected = [sorted(limit["enum"])] if "enum" in limit else [limit["min"], limit["max"]]
        assert [schema[keyword] for keyword in keywords] == expected, name
