"""The control API: over HTTP as its README shows it, and what it refuses."""

import re
from datetime import datetime

import orjson
import pytest
from msgspec.structs import asdict

from bedrock_emulator import Control, ControlError, Emulator, Submission
from bedrock_emulator.control import METHODS

from .wire import (
    ACCOUNT,
    DAY,
    HOUR,
    MINUTE,
    NOW,
    OTHER_ACCOUNT,
    OTHER_REGION,
    README,
    REGION,
    arns,
    fetch,
    list_raw,
    raw_rows,
)

COMMAND = re.compile(
    r"^curl (-X POST )?\"?\$URL/_emulator/(\S+?)\"?(?: -d '(.*?)')?$", re.MULTILINE | re.DOTALL
)


def test_every_command_of_the_readme_works(emulator: Emulator) -> None:
    """Each curl command is sent as it stands; together they name every method."""
    used = set()
    for option, path, body in COMMAND.findall(README.read_text()):
        # curl posts what it is given to send.
        method = "POST" if option or body else "GET"
        status, _, answer = fetch(
            emulator.url, f"/_emulator/{path}", method=method, body=body.encode() or None
        )
        assert (status, path) == (200, path), answer
        used.add(path)

    assert used == set(METHODS)


def test_the_truth_equals_what_the_api_lists(emulator: Emulator, control: Control) -> None:
    """More rows than one block, oldest first, at the clock of the moment."""
    control.populate(ACCOUNT, REGION, 12_000, NOW - DAY, NOW + HOUR)

    truth = control.listing(ACCOUNT, REGION)

    assert 5_000 < len(truth) < 12_000
    assert truth == raw_rows(emulator.url, sortOrder="Ascending", maxResults=1000)
    assert control.listing(OTHER_ACCOUNT, REGION) == []


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
        (
            "GET",
            "nowhere",
            "",
            "there is no GET /_emulator/nowhere; there are POST /_em",
        ),
        ("POST", "nowhere", "", "there is no POST /_emulator/nowhere; there are"),
        ("POST", "__init__", "", "there is no POST /_emulator/__init__; there are"),
        ("GET", "now", "", "there is no GET /_emulator/now; there are"),
        ("POST", "set_clock", "{now}", "JSON is malformed: "),
        ("POST", "set_clock", "[]", "Expected `object`, got `array`"),
        ("POST", "set_clock", "{}", "Object missing required field `now`"),
        ("POST", "set_clock", '{"now": 5}', "Expected `datetime`, got `int` - at `$.now`"),
        ("POST", "set_clock", '{"now": "noon"}', "Invalid RFC3339 encoded datetime - at `$.now`"),
        ("POST", "set_clock", '{"now": "2026-01-01T00:00:00"}', "2026-01-01T00:00:00 has no time"),
        ("POST", "advance", '{"step": true}', "Expected `duration`, got `bool` - at `$.step`"),
        ("POST", "advance", '{"step": "P4000000D"}', "date value out of range"),
        ("POST", "advance", '{"step": "PT1S", "x": 1}', "Object contains unknown field `x`"),
        ("POST", "read_listing", '{"account": "12", "region": "x"}', "Expected `str` matching"),
        (
            "POST",
            "read_listing",
            f'{{"account": "{ACCOUNT}", "region": "Ohio"}}',
            "Expected `str` matching",
        ),
        (
            "POST",
            "read_listing",
            f'{{"account": "{ACCOUNT}"}}',
            "Object missing required field",
        ),
        (
            "POST",
            "set_faults",
            '{"faults": {"gremlins": 1}}',
            "Object contains unknown field `gremlins`",
        ),
        ("POST", "set_faults", '{"faults": {}, "account": "?"}', "Expected `str` matching"),
    ],
)
def test_what_is_wrong_is_said_in_one_message(
    emulator: Emulator, method: str, path: str, body: str, message: str
) -> None:
    """A 400 with the message alone."""
    status, _, answer = fetch(
        emulator.url, f"/_emulator/{path}", method=method, body=body.encode() or None
    )

    assert (status, list(orjson.loads(answer))) == (400, ["message"])
    assert orjson.loads(answer)["message"].startswith(message)


def test_control_raises_with_the_message(control: Control) -> None:
    """The emulator's own words."""
    with pytest.raises(ControlError, match=r"regex .*12.* at `\$.account`"):
        control.submit("me", REGION, submit_time=NOW)
    with pytest.raises(ControlError, match="duration cannot be negative"):
        control.submit(ACCOUNT, REGION, submit_time=NOW, duration=-MINUTE)


def test_many_submissions_are_listed_like_single_ones(control: Control) -> None:
    """In the order of their times, whatever order they come in."""
    first = Submission(submit_time=NOW - HOUR, duration=MINUTE, model_id="luma.ray-v2:0")
    last = Submission(submit_time=NOW - MINUTE, duration=MINUTE, failure_message="It failed.")
    assert control.submit_all(ACCOUNT, REGION, [last, first]) == 2
    many = control.listing(ACCOUNT, REGION)

    with Emulator(NOW) as other:
        for one in (first, last):
            other.control.submit(ACCOUNT, REGION, **asdict(one))
        assert many == other.control.listing(ACCOUNT, REGION)


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


def test_control_has_the_methods_of_the_server_and_no_others(control: Control) -> None:
    """A wrong name or number of arguments is an error of Python's, before any call."""
    with pytest.raises(AttributeError, match="the emulator has no method rewind"):
        _ = control.rewind  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        control.advance(MINUTE, MINUTE)  # type: ignore[call-arg]
