"""Reading a window: exactly its rows, whatever the service does at its edges."""

import json
import threading
from datetime import timedelta
from itertools import count
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError

from bedrock_async_invokes.client import Client, http_session
from bedrock_async_invokes.columns import ScopeReport
from bedrock_async_invokes.errors import BrokenPage, ListingError
from bedrock_async_invokes.listing import Listing, Reading
from bedrock_async_invokes.scopes import Scope
from bedrock_async_invokes.windows import Window, to_microseconds
from bedrock_emulator import Control
from tests.bedrock_async_invokes.test_client import read
from tests.conftest import ACCOUNT, NOW, REGION
from tests.hostile import answer
from tests.hostile import page as hostile_page

START = NOW - timedelta(hours=1)


def report() -> ScopeReport:
    return ScopeReport("run", ACCOUNT, REGION, started_at=NOW)


def listing_of(client: Any, counted: ScopeReport | None = None, account: str = ACCOUNT) -> Listing:
    stopping = threading.Event()
    http = http_session(client, botocore.session.get_session())
    own = Client(client, http, counted or report(), stopping)
    return Listing(own, Scope(account, REGION), "keep", stopping)


@pytest.fixture
def client(bedrock: Control) -> Any:
    return boto3.Session().client("bedrock-runtime")


def submit(bedrock: Control, *offsets_ms: int) -> list[str]:
    return [
        bedrock.submit(
            ACCOUNT,
            REGION,
            submit_time=START + timedelta(milliseconds=offset),
            duration=timedelta(seconds=1),
        )
        for offset in offsets_ms
    ]


def window_ms(first: int, last: int) -> Window:
    start = to_microseconds(START)
    return Window(start + first * 1_000, start + last * 1_000)


def arns(reading: Any) -> list[str]:
    return list(reading.table["invocation_arn"].to_pylist())


@pytest.mark.parametrize("inclusive", [False, True])
def test_a_window_is_half_open_whatever_the_service_includes(
    bedrock: Control, client: Any, inclusive: bool
) -> None:
    submitted = submit(bedrock, 99, 100, 101, 199, 200, 201)
    bedrock.faults(after_inclusive=inclusive, before_inclusive=inclusive)
    reading = listing_of(client).read(window_ms(100, 200))
    assert arns(reading) == submitted[1:4]
    assert (reading.window, reading.unread) == (window_ms(100, 200), None)


def test_reading_stops_at_its_limit_between_two_times(bedrock: Control, client: Any) -> None:
    """Rows that tie with the last one stay unread, since more of them may follow."""
    bedrock.populate(ACCOUNT, REGION, 3_500, START, NOW, 1)
    listing = listing_of(client)
    everything = listing.read(window_ms(0, 3_600_000))
    first = listing.read(window_ms(0, 3_600_000), max_pages=2)
    assert first.unread is not None
    assert first.window.end == first.unread.start
    assert 1_900 < first.table.num_rows < 2_000
    rest = listing.read(first.unread)
    assert arns(first) + arns(rest) == arns(everything)


def test_the_newest_page_comes_first_and_ascending(bedrock: Control, client: Any) -> None:
    bedrock.populate(ACCOUNT, REGION, 2_500, START, NOW, 1)
    listing = listing_of(client)
    newest = listing.read(Window(), newest_first=True, max_pages=1)
    assert newest.unread is not None
    assert newest.window.start == newest.unread.end
    times = newest.table["submit_time"].to_pylist()
    assert times == sorted(times)
    older = listing.read(newest.unread)
    assert len(set(arns(older) + arns(newest))) == 2_500 == len(arns(older) + arns(newest))


def test_ties_that_fill_a_page_are_read_on(bedrock: Control, client: Any) -> None:
    model_arn = f"arn:aws:bedrock:{REGION}::foundation-model/luma.ray-v2:0"
    for number in range(1_005):
        summary = {
            "invocationArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/{number:012d}",
            "modelArn": model_arn,
            "submitTime": START.isoformat(),
        }
        bedrock.put_raw(ACCOUNT, REGION, START, summary)
    reading = listing_of(client).read(Window(), newest_first=True, max_pages=1)
    assert reading.table.num_rows == 1_005
    assert reading.unread is None


@pytest.mark.parametrize(
    "faults",
    [
        {"cut_body_rate": 0.3, "short_pages": True},
        {"error_503_rate": 0.3, "short_pages": True},
        {"empty_page_rate": 0.5, "short_pages": True},
    ],
    ids=lambda faults: next(iter(faults)),
)
def test_a_broken_chain_is_taken_up_where_it_got_to(
    bedrock: Control, client: Any, faults: dict[str, Any]
) -> None:
    bedrock.populate(ACCOUNT, REGION, 5_000, START, NOW, 1)
    listing = listing_of(client)
    whole = listing.read(Window())
    bedrock.faults(**faults)
    assert arns(listing.read(Window())) == arns(whole)


def test_a_token_that_expired_is_replaced(bedrock: Control, client: Any) -> None:
    bedrock.populate(ACCOUNT, REGION, 5_000, START, NOW, 1)
    listing = listing_of(client)
    whole = listing.read(Window())
    bedrock.faults(token_ttl_calls=1)
    other, calls = boto3.Session().client("bedrock-runtime"), count()

    def come_between(**_: Any) -> None:
        if next(calls) % 3 == 2:
            other.list_async_invokes(maxResults=1)

    client.meta.events.register("before-send.bedrock-runtime.ListAsyncInvokes", come_between)
    assert arns(listing.read(Window())) == arns(whole)
    assert bedrock.calls()[ACCOUNT, REGION]["expired_token"] > 0


def test_calls_pages_and_rows_are_counted_as_the_service_counts_them(
    bedrock: Control, client: Any
) -> None:
    bedrock.populate(ACCOUNT, REGION, 2_500, START, NOW, 1)
    bedrock.faults(throttle_per_second=4.0, throttle_burst=1)
    counted = report()
    listing_of(client, counted).read(Window())
    counters = bedrock.calls()[ACCOUNT, REGION]
    assert (counted.pages, counted.rows_read) == (3, 2_500)
    assert (counted.calls, counted.throttled) == (counters["list_calls"], counters["throttled"])
    assert counted.throttled > 0


def test_a_report_that_is_final_counts_no_more(bedrock: Control, client: Any) -> None:
    submit(bedrock, 1)
    counted = report()
    listing = listing_of(client, counted)
    listing.client.close()
    listing.read(Window())
    assert counted == report()


def test_rows_of_another_account_are_refused(bedrock: Control, client: Any) -> None:
    submit(bedrock, 1)
    with pytest.raises(ListingError, match="another account or region"):
        listing_of(client, account="999999999999").read(Window())


def test_a_refusal_is_not_tried_again(bedrock: Control, client: Any) -> None:
    bedrock.faults(access_denied=True)
    with pytest.raises(ClientError, match="AccessDenied"):
        listing_of(client).read(Window())
    assert bedrock.calls()[ACCOUNT, REGION]["list_calls"] == 1


def test_a_body_that_is_never_whole_fails_in_the_end(
    bedrock: Control, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bedrock_async_invokes.listing.RESUMES_WITHOUT_HEADWAY", 2)
    submit(bedrock, 1)
    bedrock.faults(cut_body_rate=1.0)
    with pytest.raises(BrokenPage, match="not JSON"):
        listing_of(client).read(Window())


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_page_in_the_wrong_order_is_refused(newest_first: bool) -> None:
    """What is unread could not be told."""
    days = ["2026-03-01", "2026-03-02"] if newest_first else ["2026-03-02", "2026-03-01"]
    page = [
        {
            "invocationArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/{number:012d}",
            "modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/luma.ray-v2:0",
            "submitTime": f"{day}T00:00:00Z",
        }
        for number, day in enumerate(days)
    ]
    line, _ = read(answer(hostile_page(*page)), newest_first=newest_first)
    assert "order of submitTime" in str(line)


def test_half_a_character_at_the_end_of_a_message_spoils_no_page() -> None:
    summary = {
        "invocationArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/aaaaaaaaaaaa",
        "modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/luma.ray-v2:0",
        "failureMessage": "cut \ud83d",
        "submitTime": "2026-03-30T00:00:00Z",
    }
    body = json.dumps({"asyncInvokeSummaries": [summary]}).encode()
    reading, _ = read(answer(body))
    assert isinstance(reading, Reading)
    assert reading.table["failure_message"].to_pylist() == ["cut \ufffd"]
