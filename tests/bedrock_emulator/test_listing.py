"""ListAsyncInvokes: order, filters, pages and tokens."""

from datetime import datetime
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from bedrock_emulator import Control, Emulator

from .conftest import Connect
from .wire import (
    ACCOUNT,
    DAY,
    HOUR,
    MINUTE,
    NOW,
    OTHER_ACCOUNT,
    OTHER_REGION,
    REGION,
    arns,
    fetch,
    list_raw,
    raw_pages,
    raw_rows,
    signed,
)


def submit(control: Control, when: datetime, **more: Any) -> str:
    """Submit a completed invocation of a minute."""
    return control.submit(ACCOUNT, REGION, submit_time=when, **{"duration": MINUTE, **more})


def test_an_invocation_is_listed_with_all_its_members(control: Control, bedrock: Any) -> None:
    """A failed invocation as boto3 parses it, whole."""
    arn = submit(
        control,
        NOW - HOUR,
        failure_message='Blocked by "filters" \N{NO ENTRY}',
        client_request_token="token-1",
        s3_uri="s3://bucket/folder",
        model_id="luma.ray-v2:0",
    )

    assert bedrock.list_async_invokes()["asyncInvokeSummaries"] == [
        {
            "invocationArn": arn,
            "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/luma.ray-v2:0",
            "clientRequestToken": "token-1",
            "status": "Failed",
            "failureMessage": 'Blocked by "filters" \N{NO ENTRY}',
            "submitTime": NOW - HOUR,
            "lastModifiedTime": NOW - HOUR + MINUTE,
            "endTime": NOW - HOUR + MINUTE,
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket/folder"}},
        }
    ]


def test_a_scope_lists_its_own_invocations_alone(control: Control, connect: Connect) -> None:
    """The account comes from the key, the region from the signature."""
    scopes = [(ACCOUNT, REGION), (ACCOUNT, OTHER_REGION), (OTHER_ACCOUNT, REGION)]
    submitted = {
        scope: [control.submit(*scope, submit_time=NOW - HOUR, duration=MINUTE)] for scope in scopes
    }

    listed = {
        scope: arns(
            connect(account=scope[0], region=scope[1]).list_async_invokes()["asyncInvokeSummaries"]
        )
        for scope in scopes
    }

    assert listed == submitted


@pytest.mark.parametrize(
    ("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")]
)
def test_arns_are_of_the_regions_partition(control: Control, region: str, partition: str) -> None:
    """GovCloud and China have partitions of their own."""
    arn = control.submit(ACCOUNT, region, submit_time=NOW)

    assert arn.startswith(f"arn:{partition}:bedrock:{region}:{ACCOUNT}:async-invoke/")


def test_the_newest_come_first_unless_asked_otherwise(control: Control, bedrock: Any) -> None:
    """sortOrder defaults to Descending."""
    oldest_first = [submit(control, NOW - minutes * MINUTE) for minutes in (3, 2, 1)]

    def listed(**order: str) -> list[str]:
        return arns(
            bedrock.list_async_invokes(sortBy="SubmissionTime", **order)["asyncInvokeSummaries"]
        )

    assert listed() == listed(sortOrder="Descending") == oldest_first[::-1]
    assert listed(sortOrder="Ascending") == oldest_first


@pytest.mark.parametrize("after_inclusive", [False, True])
@pytest.mark.parametrize("before_inclusive", [False, True])
def test_time_filters_keep_or_leave_their_own_instant(
    control: Control, bedrock: Any, after_inclusive: bool, before_inclusive: bool
) -> None:
    """Exclusive by default; faults make either inclusive."""
    times = [NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR]
    first, middle, last = [submit(control, when) for when in times]
    control.faults(after_inclusive=after_inclusive, before_inclusive=before_inclusive)

    listed = bedrock.list_async_invokes(
        submitTimeAfter=times[0], submitTimeBefore=times[2], sortOrder="Ascending"
    )["asyncInvokeSummaries"]

    assert arns(listed) == [first] * after_inclusive + [middle] + [last] * before_inclusive


def test_time_filters_see_microseconds(control: Control, bedrock: Any) -> None:
    """An instant between two milliseconds separates them, in both directions."""
    between = NOW.replace(microsecond=0) - HOUR + MINUTE / 60 * 0.0015
    earlier = submit(control, between.replace(microsecond=1000))
    later = submit(control, between.replace(microsecond=2000))
    assert between.microsecond == 1500

    after = bedrock.list_async_invokes(submitTimeAfter=between)["asyncInvokeSummaries"]
    before = bedrock.list_async_invokes(submitTimeBefore=between)["asyncInvokeSummaries"]

    assert (arns(after), arns(before)) == ([later], [earlier])


def test_status_filters_follow_the_clock(control: Control, bedrock: Any) -> None:
    """The status that counts is the one at the time of the call."""
    done = submit(control, NOW - HOUR)
    failed = submit(control, NOW - HOUR + MINUTE, failure_message="no")
    running = submit(control, NOW - MINUTE, duration=HOUR)

    def listed(status: str) -> list[str]:
        return arns(bedrock.list_async_invokes(statusEquals=status)["asyncInvokeSummaries"])

    assert [listed(one) for one in ("Completed", "Failed", "InProgress")] == [
        [done],
        [failed],
        [running],
    ]
    control.advance(HOUR)
    assert (listed("Completed"), listed("InProgress")) == ([running, done], [])


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_ties_across_a_page_boundary_neither_repeat_nor_drop(
    emulator: Emulator, control: Control, order: str
) -> None:
    """At every page size, all of nine ties and their neighbours come once, in one order."""
    for when in [NOW - HOUR] + 9 * [NOW - MINUTE] + [NOW]:
        submit(control, when)
    truth = arns(control.listing(ACCOUNT, REGION))
    expected = truth if order == "Ascending" else truth[::-1]

    for size in range(1, 13):
        assert arns(raw_rows(emulator.url, sortOrder=order, maxResults=size)) == expected


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_pages_are_full_and_the_last_has_no_token(
    emulator: Emulator, control: Control, order: str
) -> None:
    """250 rows are pages of 100, 100 and 50; 200 rows are two pages."""
    control.populate(ACCOUNT, REGION, 250, NOW - DAY, NOW, seed=3)
    oldest = control.listing(ACCOUNT, REGION)[50]["submitTime"]

    sizes = [len(page["asyncInvokeSummaries"]) for page in raw_pages(emulator.url, sortOrder=order)]
    exact = [
        len(page["asyncInvokeSummaries"])
        for page in raw_pages(emulator.url, sortOrder=order, maxResults=50, submitTimeBefore=oldest)
    ]

    assert (sizes, exact) == ([100, 100, 50], [50])


def test_a_filtered_listing_is_paged_like_any_other(emulator: Emulator, control: Control) -> None:
    """Pages of one status hold exactly the rows of that status."""
    control.populate(ACCOUNT, REGION, 400, NOW - DAY, NOW, seed=3)
    truth = [row for row in control.listing(ACCOUNT, REGION) if row["status"] == "Failed"]

    rows = raw_rows(emulator.url, sortOrder="Ascending", maxResults=3, statusEquals="Failed")

    assert len(truth) > 6
    assert rows == truth


def test_invocations_that_arrive_while_paging_shift_nothing(
    emulator: Emulator, control: Control
) -> None:
    """Pages continue after a row, not after a number of rows."""
    first, second = (submit(control, NOW - minutes * MINUTE) for minutes in (9, 8))
    page = list_raw(emulator.url, maxResults=1, sortOrder="Ascending")
    submit(control, NOW - HOUR)

    rest = list_raw(emulator.url, maxResults=1, sortOrder="Ascending", nextToken=page["nextToken"])

    assert arns(page["asyncInvokeSummaries"]) == [first]
    assert arns(rest["asyncInvokeSummaries"]) == [second]


@pytest.mark.parametrize(
    "change",
    [
        {"maxResults": 2},
        {"sortOrder": "Descending"},
        {"statusEquals": "Completed"},
        {"submitTimeAfter": NOW - DAY},
        {"submitTimeBefore": NOW},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_token_is_bound_to_the_parameters_of_its_request(
    control: Control, bedrock: Any, change: dict[str, Any]
) -> None:
    """Used with any other parameter it is refused."""
    control.populate(ACCOUNT, REGION, 20, NOW - DAY, NOW)
    request = {"maxResults": 1, "sortOrder": "Ascending"}
    token = bedrock.list_async_invokes(**request)["nextToken"]

    with pytest.raises(ClientError, match=r"ValidationException.*other parameters"):
        bedrock.list_async_invokes(**{**request, **change}, nextToken=token)


@pytest.mark.parametrize("scope", [(OTHER_ACCOUNT, REGION), (ACCOUNT, OTHER_REGION)])
def test_a_token_is_bound_to_its_scope(
    control: Control, connect: Connect, scope: tuple[str, str]
) -> None:
    """Another account or region cannot use it."""
    control.populate(ACCOUNT, REGION, 20, NOW - DAY, NOW)
    token = connect().list_async_invokes(maxResults=1)["nextToken"]

    with pytest.raises(ClientError, match="ValidationException"):
        connect(account=scope[0], region=scope[1]).list_async_invokes(maxResults=1, nextToken=token)


def test_the_paginator_of_boto3_reads_everything(control: Control, bedrock: Any) -> None:
    """Every row of the truth, through the real paginator."""
    control.populate(ACCOUNT, REGION, 130, NOW - DAY, NOW, seed=5)
    pages = bedrock.get_paginator("list_async_invokes").paginate(
        sortOrder="Ascending", PaginationConfig={"PageSize": 50}
    )

    rows = [row for page in pages for row in page["asyncInvokeSummaries"]]

    assert arns(rows) == arns(control.listing(ACCOUNT, REGION))


def test_a_raw_summary_is_listed_exactly_as_it_is(emulator: Emulator, control: Control) -> None:
    """Odd input keeps its place in time, its odd members, and lacks what it lacks."""
    odd: dict[str, Any] = {"invocationArn": "no arn", "status": "Paused", "new": [{"a": None}]}
    before, after = submit(control, NOW - 2 * HOUR), submit(control, NOW)
    control.put_raw(ACCOUNT, REGION, NOW - HOUR, odd)
    control.put_raw(ACCOUNT, REGION, NOW + HOUR, {})

    rows = raw_rows(emulator.url, sortOrder="Ascending", maxResults=1)
    control.advance(HOUR)

    assert (arns([rows[0], rows[2]]), rows[1]) == ([before, after], odd)
    assert control.listing(ACCOUNT, REGION)[3] == {}
    assert raw_rows(emulator.url, statusEquals="Failed") == []
    _, _, answer = fetch(emulator.url, "/async-invoke/no%20arn", authorization=signed())
    assert orjson.loads(answer) == odd
