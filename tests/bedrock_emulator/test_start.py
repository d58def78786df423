"""StartAsyncInvoke: a start is listed, repeated by its token, and refused when malformed."""

from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from bedrock_emulator import Control, Emulator

from .wire import ACCOUNT, DAY, NOW, REGION, arns

REQUEST = {
    "modelId": "amazon.nova-reel-v1:1",
    "modelInput": {"taskType": "TEXT_VIDEO"},
    "outputDataConfig": {
        "s3OutputDataConfig": {"s3Uri": "s3://videos/out", "bucketOwner": "999988887777"}
    },
}


def test_a_started_invocation_runs_and_ends_by_the_clock(control: Control, bedrock: Any) -> None:
    """It is in progress at once, and has ended a day later."""
    arn = bedrock.start_async_invoke(**REQUEST, clientRequestToken="once")["invocationArn"]
    started = bedrock.get_async_invoke(invocationArn=arn)
    del started["ResponseMetadata"]

    assert started == {
        "invocationArn": arn,
        "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-reel-v1:1",
        "clientRequestToken": "once",
        "status": "InProgress",
        "submitTime": NOW,
        "lastModifiedTime": NOW,
        "outputDataConfig": REQUEST["outputDataConfig"],
    }
    control.advance(DAY)
    [listed] = bedrock.list_async_invokes()["asyncInvokeSummaries"]
    assert listed["status"] in ("Completed", "Failed")
    assert NOW < listed["endTime"] == listed["lastModifiedTime"] < NOW + DAY


def test_the_same_token_starts_once(bedrock: Any) -> None:
    """The same request again gives the same ARN; another token starts another."""
    started = [
        bedrock.start_async_invoke(**REQUEST, clientRequestToken=token)["invocationArn"]
        for token in ("a", "a", "b")
    ]

    assert started[0] == started[1] != started[2]
    assert set(arns(bedrock.list_async_invokes()["asyncInvokeSummaries"])) == set(started)


def test_an_unknown_model_runs_like_a_known_one(bedrock: Any) -> None:
    """New models are there before the emulator knows them."""
    request = {**REQUEST, "modelId": "acme.model-v1:0"}

    arn = bedrock.start_async_invoke(**request)["invocationArn"]

    model_arn = "arn:aws:bedrock:us-east-1::foundation-model/acme.model-v1:0"
    assert bedrock.get_async_invoke(invocationArn=arn)["modelArn"] == model_arn


@pytest.mark.parametrize("change", [{"modelId": 5}, {"outputDataConfig": {}}], ids=str)
def test_a_malformed_start_is_refused(bedrock: Any, change: dict[str, Any]) -> None:
    """And nothing is started."""
    with pytest.raises(ClientError, match="ValidationException"):
        bedrock.start_async_invoke(**{**REQUEST, **change})

    assert bedrock.list_async_invokes()["asyncInvokeSummaries"] == []


def test_a_start_whose_answer_is_lost_can_be_repeated(control: Control, bedrock: Any) -> None:
    """The body is cut after the start was made; the token keeps the second from starting again."""
    control.faults(cut_body_rate=1)
    # Not every version of botocore counts the bytes, and none minds that they are not JSON.
    with suppress(ConnectionClosedError):
        answer = bedrock.start_async_invoke(**REQUEST, clientRequestToken="a")
        assert "invocationArn" not in answer
    control.clear_faults()

    arn = bedrock.start_async_invoke(**REQUEST, clientRequestToken="a")["invocationArn"]

    assert arns(bedrock.list_async_invokes()["asyncInvokeSummaries"]) == [arn]


def test_equal_submissions_get_equal_arns() -> None:
    """A history that is repeated is the same one."""
    arns = []
    for _ in range(2):
        with Emulator(NOW) as emulator:
            arns.append(
                [emulator.control.submit(ACCOUNT, REGION, submit_time=NOW) for _ in range(3)]
            )
    assert arns[0] == arns[1]
    assert len(set(arns[0])) == 3
