"""The control API: over HTTP as its README shows it, and what it refuses."""

import re
from datetime import datetime
from pathlib import Path

import orjson
import pytest

from bedrock_emulator import Control, ControlError, Emulator
from bedrock_emulator.control import LISTING, ROUTES

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
    raw_rows,
)

README = Path(__file__).parents[2] / "sources" / "bedrock_emulator" / "README.md"
COMMAND = re.compile(r"^curl (?:-X (\w+) )?\"?\$URL(\S+?)\"?(?: -d '(.*?)')?$", re.M | re.S)


def test_every_command_of_the_readme_works(emulator: Emulator) -> None:
    """Each curl command is sent as it stands; together they name every route."""
    commands = COMMAND.findall(README.read_text())
    used = set()
    for method, path, body in commands:
        name = f"{method or 'GET'} {path.partition('?')[0].removeprefix('/_emulator')}"
        status, _, answer = fetch(
            emulator.url, path, method=method or "GET", body=body.encode() or None
        )
        assert (status, name) == (200, name), answer
        used.add(name)

    assert used == {LISTING, *ROUTES}


def test_the_truth_equals_what_the_api_lists(emulator: Emulator, control: Control) -> None:
    """More rows than one block, oldest first, at the clock of the moment."""
    control.populate(ACCOUNT, REGION, 12_000, NOW - DAY, NOW + HOUR)

    truth = control.listing(ACCOUNT, REGION)

    assert 5_000 < len(truth) < 12_000
    assert truth == raw_rows(emulator.url, sortOrder="Ascending", maxResults=1000)
    assert list(control.iter_listing(OTHER_ACCOUNT, REGION)) == []


def test_scopes_are_those_that_have_invocations(control: Control) -> None:
    """With how many, those of the future included."""
    control.populate(ACCOUNT, REGION, 20, NOW - DAY, NOW)
    control.submit(OTHER_ACCOUNT, OTHER_REGION, submit_time=NOW + HOUR)
    control.listing(ACCOUNT, OTHER_REGION)

    assert control.scopes() == {(ACCOUNT, REGION): 20, (OTHER_ACCOUNT, OTHER_REGION): 1}


def test_populating_adds_to_what_is_there(control: Control) -> None:
    """Overlapping timelines are one listing; the same one twice is refused."""
    first = control.populate(ACCOUNT, REGION, 50, NOW - DAY, NOW, seed=1)
    second = control.populate(ACCOUNT, REGION, 70, NOW - 2 * DAY, NOW - HOUR, seed=2)
    rows = control.listing(ACCOUNT, REGION)

    assert (first, second, len(set(arns(rows)))) == (50, 70, 120)
    assert rows == sorted(rows, key=lambda row: (row["submitTime"], row["invocationArn"]))
    with pytest.raises(ControlError, match="choose another seed"):
        control.populate(ACCOUNT, REGION, 50, NOW - DAY, NOW, seed=1)
    assert control.listing(ACCOUNT, REGION) == rows


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("GET", "/nowhere", "", "no route 'GET /nowhere'; there are GET /listing, GET /clock"),
        ("PUT", "/clock", "{now}", "the body is not JSON: "),
        ("PUT", "/clock", "[]", "the body must be a JSON object"),
        ("PUT", "/clock", "{}", "now is missing"),
        ("PUT", "/clock", '{"now": 5}', "now cannot be 5"),
        ("PUT", "/clock", '{"now": "noon"}', "'noon' is not an ISO 8601 time with a zone"),
        ("PUT", "/clock", '{"now": "2026-01-01T00:00:00"}', "'2026-01-01T00:00:00' is not an ISO"),
        ("POST", "/clock/advance", '{"seconds": true}', "seconds cannot be True"),
        ("POST", "/clock/advance", '{"seconds": 1e15}', "seconds 1000000000000000.0 leads out"),
        ("POST", "/clock/advance", '{"seconds": 1, "minutes": 1}', "unknown member minutes"),
        ("GET", "/listing?account=12&region=x", "", "account must be 12 digits, not '12'"),
        ("GET", f"/listing?account={ACCOUNT}&region=Ohio", "", "region must be a region's name"),
        ("GET", f"/listing?account={ACCOUNT}", "", "region is missing"),
        ("PUT", "/faults", '{"faults": {"gremlins": 1}}', "unknown fault 'gremlins'"),
    ],
)
def test_what_is_wrong_is_said_in_one_message(
    emulator: Emulator, method: str, path: str, body: str, message: str
) -> None:
    """A 400 with the message alone."""
    status, _, answer = fetch(
        emulator.url, f"/_emulator{path}", method=method, body=body.encode() or None
    )

    assert (status, list(orjson.loads(answer))) == (400, ["message"])
    assert orjson.loads(answer)["message"].startswith(message)


def test_control_raises_with_the_message(control: Control) -> None:
    """The emulator's own words."""
    with pytest.raises(ControlError, match="account must be 12 digits, not 'me'"):
        control.submit("me", REGION, submit_time=NOW)
    with pytest.raises(ControlError, match="duration_seconds cannot be -60"):
        control.submit(ACCOUNT, REGION, submit_time=NOW, duration=-MINUTE)


def test_a_failure_message_of_any_text_arrives_whole(emulator: Emulator, control: Control) -> None:
    """2,048 characters with control characters, quotes and emoji."""
    message = ('\x00\x07\x1b\x7f\n"\\u0041\\ \u2028 \N{GRINNING FACE}' * 200)[:2048]
    control.submit(
        ACCOUNT, REGION, submit_time=NOW - HOUR, duration=MINUTE, failure_message=message
    )

    [row] = list_raw(emulator.url)["asyncInvokeSummaries"]

    assert row["failureMessage"] == message
    assert control.listing(ACCOUNT, REGION) == [row]


def test_submit_times_are_aware(control: Control) -> None:
    """A time without a zone is refused with the remedy."""
    with pytest.raises(ValueError, match="has no time zone: add one"):
        control.set_clock(datetime(2026, 1, 1))
