"""Each fault on its own, as a client sees it, and counted."""

import time
from datetime import timedelta
from http.client import IncompleteRead
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from bedrock_emulator import Control, Emulator

from .conftest import Connect
from .wire import (
    ACCOUNT,
    DAY,
    HOUR,
    MINUTE,
    NOW,
    REGION,
    arns,
    fetch,
    list_raw,
    outcomes,
    raw_pages,
    raw_rows,
    signed,
)


def counted(control: Control, name: str) -> int:
    """How often something happened in the usual scope."""
    return control.calls()[ACCOUNT, REGION][name]


def test_throttling_lets_a_burst_through_and_then_its_rate(control: Control, bedrock: Any) -> None:
    """Three tokens, and in effect none that comes back."""
    control.faults(throttle_per_second=0.001, throttle_burst=3)

    assert outcomes(bedrock, 5) == 3 * [""] + 2 * ["ThrottlingException"]
    assert (counted(control, "list_calls"), counted(control, "throttled")) == (5, 2)


def test_the_bucket_of_throttling_fills_again(control: Control, bedrock: Any) -> None:
    """At a thousand a second, the next call in ten milliseconds goes through."""
    control.faults(throttle_per_second=1000, throttle_burst=1)
    bedrock.list_async_invokes()
    time.sleep(0.01)

    assert outcomes(bedrock, 1) == [""]


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("error_500", "InternalServerException", 500),
        ("error_503", "ServiceUnavailableException", 503),
    ],
)
def test_server_errors_strike_at_their_rate_and_by_their_seed(
    control: Control, connect: Connect, fault: str, code: str, status: int
) -> None:
    """About half of 60 calls fail, and the same ones again after the fault is set anew."""
    bedrock = connect()
    rounds = []
    half: dict[str, Any] = {f"{fault}_rate": 0.5}
    always: dict[str, Any] = {f"{fault}_rate": 1}
    for seed in (1, 1, 2):
        control.clear_faults()
        control.faults(seed=seed, **half)
        rounds.append(outcomes(bedrock, 60))

    assert set(rounds[0]) == {"", code}
    assert 15 < rounds[0].count(code) < 45
    assert rounds[0] == rounds[1] != rounds[2]
    assert counted(control, fault) == sum(one.count(code) for one in rounds)
    control.faults(**always)
    assert fetch(control.url, "/async-invoke", authorization=signed())[0] == status


def test_access_denied_is_a_403(control: Control, bedrock: Any) -> None:
    """With the class that callers catch and the action in the message."""
    control.faults(access_denied=True)

    with pytest.raises(
        bedrock.exceptions.AccessDeniedException, match="bedrock:ListAsyncInvokes"
    ) as caught:
        bedrock.list_async_invokes()

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert counted(control, "access_denied") == 1


def test_a_reset_connection_has_no_answer(
    emulator: Emulator, control: Control, bedrock: Any
) -> None:
    """A TCP reset, as botocore and the socket see it."""
    control.faults(reset_rate=1)

    with pytest.raises(ConnectionClosedError):
        bedrock.list_async_invokes()
    with pytest.raises(ConnectionResetError) as caught:
        fetch(emulator.url, "/async-invoke", authorization=signed())
    # A connection that is merely closed raises a subclass.
    assert caught.type is ConnectionResetError
    assert counted(control, "reset") == 2


def test_a_cut_body_is_half_of_what_its_length_says(emulator: Emulator, control: Control) -> None:
    """The connection ends in the middle of the JSON."""
    control.populate(ACCOUNT, REGION, 50, NOW - DAY, NOW)
    whole = fetch(emulator.url, "/async-invoke", authorization=signed())[2]
    control.faults(cut_body_rate=1)

    with pytest.raises(IncompleteRead) as caught:
        fetch(emulator.url, "/async-invoke", authorization=signed())

    assert caught.value.partial == whole[: len(whole) // 2]
    assert caught.value.expected == len(whole) - len(whole) // 2
    assert counted(control, "cut_body") == 1


def test_a_hanging_call_runs_into_the_clients_timeout(control: Control, connect: Connect) -> None:
    """It would be answered after a minute; the client gives up first."""
    control.faults(hang_rate=1)

    with pytest.raises(ReadTimeoutError):
        connect(read_timeout=0.2).list_async_invokes()

    assert counted(control, "hung") == 1


def test_a_short_hang_is_answered_after_all(control: Control, bedrock: Any) -> None:
    """And latency delays every call."""
    control.faults(hang_rate=1, hang_seconds=0.03, latency_seconds=0.02)
    started = time.monotonic()

    assert bedrock.list_async_invokes()["asyncInvokeSummaries"] == []
    assert time.monotonic() - started >= 0.045


def test_empty_pages_carry_a_token_and_hide_nothing(emulator: Emulator, control: Control) -> None:
    """Never more than three in a row, even where every page may be empty."""
    control.populate(ACCOUNT, REGION, 25, NOW - DAY, NOW)
    control.faults(empty_page_rate=1)

    pages = list(raw_pages(emulator.url, maxResults=10, sortOrder="Ascending"))
    sizes = [len(page["asyncInvokeSummaries"]) for page in pages]

    assert sizes == [0, 0, 0, 10, 0, 0, 0, 10, 0, 0, 0, 5]
    assert [row for page in pages for row in page["asyncInvokeSummaries"]] == control.listing(
        ACCOUNT, REGION
    )
    assert counted(control, "empty_page") == 9


def test_short_pages_hold_fewer_rows_than_asked_and_drop_none(
    emulator: Emulator, control: Control
) -> None:
    """Every page but the last has at least one row and a token."""
    control.populate(ACCOUNT, REGION, 120, NOW - DAY, NOW)
    control.faults(short_pages=True)

    pages = list(raw_pages(emulator.url, maxResults=20, sortOrder="Ascending"))
    sizes = [len(page["asyncInvokeSummaries"]) for page in pages]

    assert (min(sizes) >= 1, max(sizes) <= 20, len(sizes) > 6) == (True, True, True)
    assert [row for page in pages for row in page["asyncInvokeSummaries"]] == control.listing(
        ACCOUNT, REGION
    )
    assert counted(control, "short_page") >= 1


def test_a_token_expires_after_the_calls_that_it_lives_for(control: Control, bedrock: Any) -> None:
    """Two further list calls of the scope, of whatever kind; then it says so."""
    control.populate(ACCOUNT, REGION, 25, NOW - DAY, NOW)
    control.faults(token_ttl_calls=2)
    token = bedrock.list_async_invokes(maxResults=5)["nextToken"]
    for _ in range(2):
        assert bedrock.list_async_invokes(maxResults=5, nextToken=token)["asyncInvokeSummaries"]

    with pytest.raises(ClientError, match=r"ValidationException.*has expired"):
        bedrock.list_async_invokes(maxResults=5, nextToken=token)
    assert counted(control, "expired_token") == 1


def test_some_rows_become_visible_late(emulator: Emulator, control: Control) -> None:
    """The listing lacks some of the last minutes, has all later, and so has the truth."""
    control.populate(ACCOUNT, REGION, 400, NOW - HOUR, NOW, seed=4)
    everything = arns(control.listing(ACCOUNT, REGION))
    control.faults(late_visibility_seconds=600)

    now, truth = (arns(rows) for rows in _rows_and_truth(emulator, control))
    control.advance(10 * MINUTE)
    later, later_truth = (arns(rows) for rows in _rows_and_truth(emulator, control))

    assert now == truth
    assert 0 < len(everything) - len(now) < 60
    assert set(now) < set(everything)
    assert [arn for arn in everything if arn not in now] != everything[len(now) :]
    assert later == later_truth == everything


def _rows_and_truth(
    emulator: Emulator, control: Control
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    listed = raw_rows(emulator.url, sortOrder="Ascending")
    return listed, control.listing(ACCOUNT, REGION)


def test_retention_drops_what_is_too_old(
    emulator: Emulator, control: Control, bedrock: Any
) -> None:
    """Rows older than the retention are gone: from the listing, the truth, and by their ARN."""
    ages = [2 * HOUR, HOUR, MINUTE]
    gone, kept, newest = (control.submit(ACCOUNT, REGION, submit_time=NOW - age) for age in ages)
    control.faults(retention_seconds=3600)

    listed, truth = _rows_and_truth(emulator, control)

    assert arns(listed) == arns(truth) == [kept, newest]
    with pytest.raises(ClientError, match=r"ValidationException.*does not exist"):
        bedrock.get_async_invoke(invocationArn=gone)
    assert bedrock.get_async_invoke(invocationArn=kept)["invocationArn"] == kept
    control.advance(timedelta(milliseconds=1))
    assert arns(control.listing(ACCOUNT, REGION)) == [newest]


def test_unknown_members_stand_at_three_levels(emulator: Emulator, control: Control) -> None:
    """In a summary, next to s3OutputDataConfig, and inside it; all else is as it was."""
    control.submit(ACCOUNT, REGION, submit_time=NOW, s3_uri="s3://bucket/x")
    [known] = list_raw(emulator.url)["asyncInvokeSummaries"]
    control.faults(unknown_members=True)

    [row] = list_raw(emulator.url)["asyncInvokeSummaries"]

    assert row == {
        **known,
        "priority": "standard",
        "usage": {"outputSeconds": 6, "billedUnits": [1, 2]},
        "outputDataConfig": {
            "retentionPolicy": {"days": 30},
            "s3OutputDataConfig": {"storageClass": "STANDARD_IA", "s3Uri": "s3://bucket/x"},
        },
    }
    assert control.listing(ACCOUNT, REGION) == [row]


def test_the_truth_is_free_of_faults(control: Control) -> None:
    """The control API answers whatever the AWS API suffers from."""
    control.populate(ACCOUNT, REGION, 300, NOW - DAY, NOW)
    truth = control.listing(ACCOUNT, REGION)
    control.faults(access_denied=True, reset_rate=1, empty_page_rate=1, short_pages=True)

    assert control.listing(ACCOUNT, REGION) == truth
    assert len(truth) == 300
