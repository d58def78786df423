"""The server: keep-alive, concurrent readers, and a clean end."""

import contextlib
import threading
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

from bedrock_emulator import Control, Emulator

from .wire import (
    ACCOUNT,
    DAY,
    MINUTE,
    NOW,
    REGION,
    arns,
    fetch,
    raw_rows,
    signed,
)


def test_a_connection_serves_many_requests(emulator: Emulator, control: Control) -> None:
    """HTTP/1.1 keep-alive, errors included; a cut body alone ends it."""
    control.submit(ACCOUNT, REGION, submit_time=NOW)
    headers = {"Authorization": signed()}
    with closing(HTTPConnection(urlsplit(emulator.url).netloc, timeout=5)) as connection:
        connection.connect()
        local = connection.sock.getsockname()
        for path in ("/async-invoke", "/async-invoke?maxResults=0", "/_emulator/nowhere"):
            connection.request("GET", path, headers=headers)
            connection.getresponse().read()
        scope = f'{{"account": "{ACCOUNT}", "region": "{REGION}"}}'
        connection.request("POST", "/_emulator/read_listing", scope)
        assert b"invocationArn" in connection.getresponse().read()
        assert connection.sock.getsockname() == local


def test_a_clock_that_moves_during_concurrent_listings_loses_nothing(
    emulator: Emulator, control: Control
) -> None:
    """Four readers page through the past while time goes on and new invocations arrive."""
    control.populate(ACCOUNT, REGION, 3_000, NOW - DAY, NOW)
    expected = arns(control.listing(ACCOUNT, REGION))
    found: list[list[str]] = []

    def read() -> None:
        until = (NOW + MINUTE / 60_000).isoformat().replace("+00:00", "Z")
        rows = raw_rows(emulator.url, sortOrder="Ascending", maxResults=100, submitTimeBefore=until)
        found.append(arns(rows))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for _ in range(50):
        control.submit(ACCOUNT, REGION, submit_time=control.advance(MINUTE), duration=MINUTE)
    for reader in readers:
        reader.join()

    assert found == 4 * [expected]


def test_closing_interrupts_a_hanging_call() -> None:
    """The end of the emulator waits for no hanging client, and leaves no thread behind."""
    threads = set(threading.enumerate())
    with Emulator(NOW) as emulator:
        emulator.control.faults(hang_rate=1)

        def call() -> None:
            with contextlib.suppress(ConnectionError):
                fetch(emulator.url, "/async-invoke", authorization=signed())

        caller = threading.Thread(target=call)
        caller.start()
        while not emulator.control.calls():
            pass
    for thread in set(threading.enumerate()) - threads:
        thread.join(timeout=1)

    assert set(threading.enumerate()) <= threads


def test_an_emulator_that_never_served_can_be_closed() -> None:
    """Its port is free again at once."""
    first = Emulator(NOW)
    first.close()

    with Emulator(NOW, port=int(first.url.rpartition(":")[2])) as second:
        assert second.url == first.url
        assert second.control.now() == NOW


def test_serving_in_the_foreground_ends_when_it_is_closed() -> None:
    """As the command line does."""
    emulator = Emulator(NOW)
    server = threading.Thread(target=emulator.serve_forever)
    server.start()

    assert emulator.control.now() == NOW
    emulator.close()
    server.join(timeout=5)
    assert not server.is_alive()
