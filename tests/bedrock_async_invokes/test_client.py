"""Calls end, whatever answers instead of Bedrock, in bounded memory, and fail with one line."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
import time_machine
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import SSLError

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.load import load
from bedrock_async_invokes.client import Client, ServiceClock, http_session
from bedrock_async_invokes.columns import ScopeReport
from bedrock_async_invokes.errors import describe
from bedrock_async_invokes.listing import Listing, Reading
from bedrock_async_invokes.run import SCOPE_ERRORS
from bedrock_async_invokes.scopes import Scope
from bedrock_async_invokes.windows import Window
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import query
from tests.hostile import Answer, HostileBedrock, answer, page, summary

GOOD = page(summary(1))
TRIES = 7
"""A first one, and those that take a broken chain up again."""
CORE = botocore.session.Session()
SESSION = boto3.Session(botocore_session=CORE)
"""One for all: reading the service's model is most of the price of a client."""
MODULES = "bedrock_async_invokes"
MINUTE = timedelta(minutes=1)


class Impatient(threading.Event):
    """Waits for nothing, so that many tries take no time."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


def listing_of(service: HostileBedrock, read_timeout: float = 5) -> Listing:
    client = SESSION.client(
        "bedrock-runtime",
        region_name=REGION,
        endpoint_url=service.environment["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"],
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout),
    )
    stopping = Impatient()
    report = ScopeReport("run", ACCOUNT, REGION, started_at=NOW)
    own = Client(client, http_session(client, CORE), report, stopping)
    return Listing(own, Scope(ACCOUNT, REGION), "keep", stopping)


@contextmanager
def answering(respond: Callable[[str, int], Answer]) -> Iterator[HostileBedrock]:
    with HostileBedrock(respond) as service:
        yield service


def read(given: Answer | Callable[[int], Answer], **options: Any) -> tuple[Reading | str, int]:
    """What a listing with such answers gives, or the line that it fails with; and the calls."""

    def respond(_: str, number: int) -> Answer:
        return given(number) if callable(given) else given

    with answering(respond) as service:
        listing = listing_of(service)
        try:
            outcome: Reading | str = listing.read(Window(), **options)
        except SCOPE_ERRORS as error:
            outcome = describe(error)
        finally:
            listing.client.close()
        return outcome, service.calls[REGION]


def is_one_harmless_line(line: str) -> bool:
    return line.isprintable() and 0 < len(line) < 1_200


@pytest.mark.parametrize(
    "given",
    [
        answer(GOOD),
        answer(GOOD, 200, "X-Odd: \x1b[2J\x01"),
        answer(GOOD, 200, "Date: Fri, 31 Dec 9999 23:59:59 GMT"),
        answer(GOOD, 200, "Date: Mon, 01 Jan 0001 00:00:00 +1400"),
        answer(GOOD, length=len(GOOD) + 1_000),
        answer(gzip.compress(GOOD), 200, "Content-Encoding: gzip"),
        answer(gzip.compress(GOOD[:40]) + gzip.compress(GOOD[40:]), 200, "Content-Encoding: gzip"),
    ],
    ids=["plain", "header", "year 9999", "year 1", "cut after its end", "gzip", "gzip in parts"],
)
def test_what_can_be_understood_is_read(given: bytes) -> None:
    reading, calls = read(given)
    assert isinstance(reading, Reading)
    assert reading.table["invocation_arn"].to_pylist() == [summary(1)["invocationArn"]]
    assert calls == 1


@pytest.mark.parametrize("status", [201, 204, 300, 301, 302, 304, 600, 999])
def test_what_is_neither_a_page_nor_an_error_is_told(status: int) -> None:
    line, calls = read(answer(GOOD, status, "Location: http://127.0.0.1:1/"))
    assert line == (
        f"ListingError: ListAsyncInvokes was answered with HTTP status {status} instead of a page. "
        "Check the endpoint, and any proxy on the way."
    )
    assert calls == 1


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (answer(b"<html>Log in</html>"), "BrokenPage: A page of the listing is not JSON: "),
        (answer(b""), "BrokenPage: A page of the listing is not JSON: "),
        (answer(GOOD, length=20), "BrokenPage: A page of the listing is not JSON: "),
        (answer(b'{"__type":"E","message":"m"}'), "BrokenPage: A page of the listing is not a "),
        (answer(b"[" * 100_000), "BrokenPage: A page of the listing is nested too deeply."),
        (answer(b'{"a":' * 100_000), "BrokenPage: A page of the listing is nested too deeply."),
        (answer(page(token=5)), "BrokenPage: A page of the listing has a nextToken that is int"),
        (answer(page(token=False)), "BrokenPage: A page of the listing has a nextToken that is b"),
        (answer(page(token=[])), "BrokenPage: A page of the listing has a nextToken that is list"),
        (b"", "ConnectionClosedError: "),
        (b"hello\r\n\r\n", "ConnectionClosedError: "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"as\r\n", "Connection"),
        (answer(GOOD, 200, "Content-Encoding: gzip"), "HTTPClientError: "),
        (answer(gzip.compress(GOOD)[:-20], 200, "Content-Encoding: gzip"), "BrokenPage: "),
    ],
)  # fmt: skip
def test_a_broken_answer_is_asked_for_again_so_many_times(given: bytes, line: str) -> None:
    told, calls = read(given)
    assert isinstance(told, str)
    assert told.startswith(line)
    assert is_one_harmless_line(told)
    assert calls == TRIES


@pytest.mark.parametrize(
    ("body", "headers", "line"),
    [
        (b"", (), "400."),
        (b"[]", (), "400: []."),
        (b"\xff\xfe", (), "400: \ufffd\ufffd."),
        (b'{"message": 5, "__type": {}}', (), '400: {"message": 5, "__type": {}}.'),
        (b'{"message": null, "code": "C"}', (), "C."),
        (b"[" * 100_000, (), f"400: {'[' * 500}."),
        (b"\x1b]0;title\x07\r\nnext", (), "400: \\x1b]0;title\\x07 next."),
        (
            b'{"message": "\\u001b[31mred\\u2028\\u202eback"}',
            ("x-amzn-errortype: Bo\x1b[2Jom",),
            "Bo\\x1b[2Jom: \\x1b[31mred \\u202eback.",
        ),
        (json.dumps({"message": "m. " * 9_000}).encode(), (), f"400: {'m. ' * 331}m.…."),
        (b"{}", ("x-amzn-query-error: a;b",), "a: {}."),
    ],
)
def test_an_error_is_told_in_one_line_that_no_terminal_obeys(
    body: bytes, headers: tuple[str, ...], line: str
) -> None:
    assert read(answer(body, 400, *headers)) == (line, 1)


def test_an_error_of_the_service_is_no_crash_either() -> None:
    line, calls = read(answer(b"\xff{[", 500))
    assert (line, calls) == ("500: \ufffd{[.", TRIES)


@pytest.mark.parametrize("status", [200, 500])
def test_a_long_answer_is_not_read_to_its_end(status: int) -> None:
    assert read(answer(b" " * 17_000_000, status)) == (
        "ListingError: An answer is larger than 16 MB.",
        1,
    )


def test_a_small_answer_that_unpacks_to_a_long_one_is_not_unpacked_to_its_end() -> None:
    bomb = gzip.compress(b" " * 17_000_000, 1)
    assert read(answer(bomb, 200, "Content-Encoding: gzip")) == (
        "ListingError: An answer is larger than 16 MB.",
        1,
    )


@pytest.mark.parametrize("value", [b"{}", b"[]", b"1"])
def test_a_page_of_very_many_values_is_not_taken_apart(value: bytes) -> None:
    body = b'{"asyncInvokeSummaries": [' + b",".join([value] * 700_000) + b"]" + b" " * 10**6 + b"}"
    assert read(answer(body)) == (
        "ListingError: A page of the listing has more than 500,000 values.",
        1,
    )


def drip(service: HostileBedrock, head: bytes, again: bytes) -> Iterator[bytes]:
    """Bytes that come in time, and do not end."""
    yield head
    while not service.released.wait(0.02):
        yield again


@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "chunks", "header", "continue"],
)
def test_an_answer_that_trickles_in_is_given_up(
    monkeypatch: pytest.MonkeyPatch, head: bytes, again: bytes
) -> None:
    monkeypatch.setattr(f"{MODULES}.client.CALL_SECONDS", 0.5)
    with answering(lambda *_: drip(service, head, again)) as service:
        listing = listing_of(service)
        with pytest.raises(SCOPE_ERRORS) as raised:
            listing.read(Window())
        assert describe(raised.value) == (
            "ListingError: An answer was not whole after 0.5 seconds."
        )
        assert service.calls == {REGION: 1}


def test_an_answer_that_stops_in_the_middle_is_asked_for_again() -> None:
    def stall(number: int) -> Iterator[bytes]:
        yield answer(GOOD, length=len(GOOD) + 1)
        if number == 0:
            service.released.wait()

    with answering(lambda _, number: stall(number)) as service:
        listing = listing_of(service, read_timeout=2)
        listing.client.count(pages=1)  # Not silent from the beginning.
        assert listing.read(Window()).table.num_rows == 1
        assert service.calls == {REGION: 2}


def test_calls_go_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(lambda *_: answer(GOOD)) as service:
        monkeypatch.setenv("HTTP_PROXY", service.url)
        monkeypatch.setattr(
            HostileBedrock,
            "environment",
            {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://bedrock.invalid"},
        )
        assert listing_of(service).read(Window()).table.num_rows == 1
        assert service.calls == {REGION: 1}


def test_certificates_are_checked_against_the_bundle_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such/bundle.pem")
    core = botocore.session.Session()
    client = boto3.Session(botocore_session=core).client("bedrock-runtime", region_name=REGION)
    with answering(lambda *_: answer(GOOD)) as service:
        url = service.url.replace("http:", "https:")
        request = AWSPreparedRequest("GET", url, {}, None, False)
        with pytest.raises(SSLError, match=r"bundle\.pem|No such file"):
            http_session(client, core).send(request)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_tokens_in_a_circle_are_seen_at_once(length: int) -> None:
    line, calls = read(lambda number: answer(page(summary(number), token=f"t{number % length}")))
    assert line == "ListingError: The same nextToken came twice: the listing goes in circles."
    assert calls == length + 1


@pytest.mark.parametrize(
    "rows",
    [(), (summary(1),), (summary(1, submitTime="1999-01-01T00:00:00Z"),)],
    ids=["no rows", "the same row", "rows before the window"],
)
def test_ever_new_tokens_without_headway_end(
    monkeypatch: pytest.MonkeyPatch, rows: tuple[Any, ...]
) -> None:
    monkeypatch.setattr(f"{MODULES}.listing.EMPTY_PAGES", 5)
    numbers = count()

    def respond(_: str, number: int) -> bytes:
        new = {"invocationArn": summary(next(numbers))["invocationArn"]}
        listed = [row | new if "1999" in row["submitTime"] else row for row in rows]
        return answer(page(*listed, token=f"t{number}"))

    with answering(respond) as service:
        with pytest.raises(SCOPE_ERRORS, match="5 pages without a row, one after the other"):
            listing_of(service).read(Window(1_700_000_000_000_000))
        assert service.calls[REGION] <= 7


@pytest.mark.parametrize("time", [summary(1)["submitTime"], None])
def test_rows_that_no_window_can_be_cut_between_end(
    monkeypatch: pytest.MonkeyPatch, time: str | None
) -> None:
    monkeypatch.setattr(f"{MODULES}.listing.TIED_BYTES", 10_000)
    line, calls = read(
        lambda number: answer(page(summary(number, submitTime=time), token=f"t{number}")),
        max_pages=1,
    )
    assert isinstance(line, str)
    assert "have the same submitTime or none" in line
    assert calls < 100


def test_a_window_of_long_rows_is_cut_before_it_has_its_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"{MODULES}.listing.CHAIN_BYTES", 100_000)
    long = "x" * 40_000
    reading, calls = read(
        lambda number: answer(page(summary(number, failureMessage=long), token=f"t{number}")),
        max_pages=8,
    )
    assert isinstance(reading, Reading)
    assert (reading.unread is not None, reading.table.num_rows, calls) == (True, 2, 3)


def test_rows_in_disorder_are_read_to_the_end_before_a_window_is_cut() -> None:
    """Else the third page's row, which comes before the second page's last, would be lost."""
    pages = [(1, 5), (3, 7), (6, 9), (10, 11)]
    reading, calls = read(
        lambda number: answer(
            page(*map(summary, pages[number]), token=f"t{number}" if number < 3 else None)
        ),
        max_pages=2,
    )
    assert isinstance(reading, Reading)
    everything = [summary(row)["invocationArn"] for rows in pages for row in rows]
    assert sorted(reading.table["invocation_arn"].to_pylist()) == sorted(everything)
    assert (reading.unread, calls) == (None, 4)


HUGE = """
import resource, sys
sys.path.insert(0, {root!r})
from tests.bedrock_async_invokes.test_client import listing_of, describe, SCOPE_ERRORS
from bedrock_async_invokes.windows import Window
from tests.hostile import HostileBedrock
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for url in {urls!r}:
    HostileBedrock.environment = {{"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url}}
    listing = listing_of(HostileBedrock(lambda *_: b""))
    try:
        listing.read(Window())
        print("read")
    except SCOPE_ERRORS as error:
        print(describe(error))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def endless(body: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    for at in range(0, len(body), 1_000_000):
        yield body[at : at + 1_000_000]


def rows_of_bytes(size: int) -> bytes:
    return page(*map(summary, range(size // len(page(summary(1))))))


@pytest.mark.integration
def test_memory_does_not_grow_with_a_page() -> None:
    too_large = "ListingError: An answer is larger than 16 MB."
    given = {
        rows_of_bytes(100_000_000): too_large,
        page(summary(1, failureMessage="x" * 100_000_000)): too_large,
        page(summary(1, failureMessage="x" * 10_000_000)): "read",
    }
    with ExitStack() as opened:
        services = [
            opened.enter_context(answering(lambda *_, body=body: endless(body))) for body in given
        ]
        urls = [service.environment["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] for service in services]
        code = HUGE.format(root=os.getcwd(), urls=urls)
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
        )
    *told, megabytes = result.stdout.splitlines()
    assert told == list(given.values())
    assert float(megabytes) < 150


def test_a_run_is_dated_by_the_service_where_this_machines_clock_is_off(
    bedrock: Control, database: Path
) -> None:
    """The local Bedrock's clock stands months before this machine's."""
    bedrock.submit(ACCOUNT, REGION, submit_time=NOW - MINUTE)
    load(DuckDBDestination(database))
    times = "started_at, finished_at from bedrock.extract_runs"
    observed = query(database, "select observed_at from bedrock.async_invokes")
    assert all(
        abs(time - NOW) < MINUTE for row in query(database, f"select {times}") for time in row
    )
    assert all(abs(time - NOW) < MINUTE for (time,) in observed)


def clock_after(date: str | None) -> ServiceClock:
    clock = ServiceClock()
    clock.compare({"headers": {"Date": date} if date else {}})
    return clock


@pytest.mark.parametrize("date", [None, "yesterday", "Mon, 99 Foo 2026 25:61:61 GMT"])
def test_an_answer_without_a_time_leaves_the_local_clock(date: str | None) -> None:
    local = datetime(2026, 1, 1, tzinfo=UTC)
    assert clock_after(date).at(local) == local


@pytest.mark.parametrize(("seconds_off", "is_taken"), [(0, False), (-3, False), (-7, True)])
def test_a_difference_that_headers_cannot_tell_is_none(seconds_off: int, is_taken: bool) -> None:
    date = datetime.now(UTC) + timedelta(seconds=seconds_off)
    clock = clock_after(f"{date:%a, %d %b %Y %H:%M:%S} GMT")
    local = datetime(2026, 1, 1, tzinfo=UTC)
    assert (clock.at(local) != local) == is_taken


def test_what_is_read_later_is_not_put_before_what_was_read_earlier() -> None:
    """Both are answered in one second of the service, the later one sooner read."""
    date = "Tue, 31 Mar 2026 12:00:00 GMT"
    with time_machine.travel(NOW - MINUTE, tick=False) as local:
        earlier = clock_after(date)
        local.shift(0.9)
        read_earlier = earlier.now()
        later = clock_after(date)
        local.shift(0.1)
        assert read_earlier <= later.now()


def test_a_clock_beyond_the_last_year_is_none() -> None:
    """The answer came in the last second that can be told; now it is an hour later."""
    later = datetime.now(UTC) + timedelta(hours=1)
    assert clock_after("Fri, 31 Dec 9999 23:59:59 GMT").at(later) == later
