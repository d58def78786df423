"""Notifications by apprise: what is posted, and that neither a failure nor a log tells a secret."""

import logging

import pytest

from bedrock_async_etl.check.notifications import Message, Receiver, find_receivers
from bedrock_async_etl.errors import UsageError
from tests.conftest import NOTIFY
from tests.webhooks import PATH, Webhook

pytestmark = NOTIFY

MESSAGE = Message("title", "a < b & c > d\n<!channel> *x*", "failure")
UNREACHED = "is the URL right, and can it be reached from here?"


@pytest.fixture(autouse=True)
def _all_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def receiver(url: str, timeout_seconds: float = 10) -> Receiver:
    [found] = find_receivers("no_section", [url], timeout_seconds)
    return found


def test_a_message_is_posted_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with Webhook() as webhook:
        assert receiver(webhook.notify_url).post(MESSAGE) is None
    [posted] = webhook.posted
    assert (posted["title"], posted["message"]) == (MESSAGE.title, MESSAGE.body)
    assert webhook.paths == [PATH]
    assert PATH not in caplog.text


def test_a_webhook_that_takes_a_text_alone_gets_it_by_the_options_of_its_url() -> None:
    """What `check` posted before it knew apprise."""
    with Webhook() as webhook:
        options = "?:message=text&:title=&:version=&:attachments=&:type="
        assert receiver(f"{webhook.notify_url}{options}").post(MESSAGE) is None
    assert webhook.posted == [{"text": MESSAGE.body}]


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_refusal_is_told_by_its_status(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with Webhook(status) as webhook:
        assert receiver(webhook.notify_url).post(MESSAGE) == f"it answered with {status}."
    assert PATH not in caplog.text


def test_a_message_goes_nowhere_else() -> None:
    with Webhook() as elsewhere, Webhook(307, f"{elsewhere.url}{PATH}") as webhook:
        assert receiver(webhook.notify_url).post(MESSAGE) == "it answered with 307."
    assert elsewhere.posted == []


def test_what_does_not_answer_is_told_without_the_url(caplog: pytest.LogCaptureFixture) -> None:
    with Webhook() as webhook:
        url = webhook.notify_url
    assert receiver(url).post(MESSAGE) == UNREACHED
    assert PATH not in caplog.text


def test_the_ca_bundle_of_the_aws_clients_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with Webhook() as webhook:
        monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such.pem")
        assert receiver(webhook.notify_url).post(MESSAGE) is None
        encrypted = receiver(webhook.notify_url.replace("json", "jsons"))
        assert encrypted.post(MESSAGE) == UNREACHED


def test_what_hangs_is_given_up() -> None:
    with Webhook(hangs=True) as webhook:
        reason = receiver(webhook.notify_url, timeout_seconds=0.5).post(MESSAGE)
    assert reason == "it did not answer within 0.5 s."


def test_a_receivers_url_is_not_in_its_name() -> None:
    found = receiver(f"jsons://example.com{PATH}")
    assert repr(found) == "Receiver(name='Notification 1 of 1 (JSON)', timeout_seconds=10)"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("jsons://example.com/secret", "JSON"),
        ("json://[::1]:1/secret", "JSON"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "Slack"),
        ("pagerduty://integration@key", "Pager Duty"),
        ("mailtos://user:secret@gmail.com", "E-Mail"),
        ("workflows://example.com/workflow/signature", "Power Automate / Workflows (for MSTeams)"),
    ],
)
def test_what_nobody_reads_on_its_way_is_taken(url: str, name: str) -> None:
    assert receiver(url).name == f"Notification 1 of 1 ({name})"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("json://example.com/secret", "is not encrypted"),
        ("json://localhost.example.com/secret", "is not encrypted"),
        ("mailto://user:secret@example.com", "is not encrypted"),
        ("rsyslog://example.com", "is not encrypted"),
        ("https://example.com/secret", "is none that apprise knows"),
        ("file:///secret", "is none that apprise knows"),
        ("jsons://example.com:port/secret", "is none that apprise knows"),
        ("secret", "is none that apprise knows"),
        ("workflows://example.com/flow/signature?template=/secret", "has a template"),
    ],
)
def test_another_url_is_refused_and_not_shown(
    url: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UsageError, match=f"Notification 2 of 2: the URL {problem}") as raised:
        find_receivers("no_section", ["json://localhost", url])
    shown = str(raised.value) + caplog.text
    assert "/secret" not in shown
    assert "example" not in shown
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", []),
        ("json://localhost/?:a=1,2", ["Notification 1 of 1 (JSON)"]),
        (
            '["json://localhost", "syslog://"]',
            ["Notification 1 of 2 (JSON)", "Notification 2 of 2 (Syslog)"],
        ),
    ],
)
def test_the_configuration_has_one_url_or_a_list(
    value: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECTION__NOTIFY", value)
    assert [found.name for found in find_receivers("section")] == names


def test_a_list_that_is_none_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECTION__NOTIFY", '["json://localhost/secret')
    with pytest.raises(UsageError, match="a list of URLs is JSON") as raised:
        find_receivers("section")
    assert "secret" not in str(raised.value)
