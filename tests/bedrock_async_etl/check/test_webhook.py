"""A message to a webhook: what is posted, and that a failure tells no secret."""

import logging

import pytest

from bedrock_async_etl.check.webhook import Webhook
from bedrock_async_etl.errors import UsageError
from tests.webhooks import PATH, Receiver


@pytest.fixture(autouse=True)
def _no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def test_a_message_is_posted_as_slack_takes_it() -> None:
    with Receiver() as receiver:
        assert Webhook(receiver.url).post("a < b & c > d\n<!channel> <http://x|y>") is None
    assert receiver.posted == [
        {"text": "a &lt; b &amp; c &gt; d\n&lt;!channel&gt; &lt;http://x|y&gt;"}
    ]
    assert receiver.paths == [PATH]


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_refusal_is_told_by_its_status(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with Receiver(status) as receiver:
        assert Webhook(receiver.url).post("hello") == f"it answered with {status}."
    assert PATH not in caplog.text


def test_a_message_goes_nowhere_else() -> None:
    with Receiver() as elsewhere, Receiver(307, elsewhere.url) as receiver:
        assert Webhook(receiver.url).post("hello") == "it answered with 307."
    assert elsewhere.posted == []


def test_what_does_not_answer_is_told_without_the_url(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as receiver:
        url = receiver.url
    reason = Webhook(url).post("hello")
    assert reason == "ConnectionError: is the URL right, and can it be reached from here?"
    assert PATH not in caplog.text


def test_the_ca_bundle_of_the_aws_clients_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such.pem")
    reason = Webhook("https://127.0.0.1:1/hook").post("hello")
    assert reason == "OSError: is the URL right, and can it be reached from here?"


def test_what_hangs_is_given_up() -> None:
    with Receiver(hangs=True) as receiver:
        reason = Webhook(receiver.url).post("hello", timeout_seconds=0.5)
    assert reason == "ReadTimeout: is the URL right, and can it be reached from here?"


def test_a_webhooks_url_is_not_in_its_name() -> None:
    assert repr(Webhook("https://example.com/secret")) == "Webhook()"


@pytest.mark.parametrize(
    "url", ["https://example.com/secret", "http://localhost:1/secret", "http://[::1]:1/secret"]
)
def test_what_nobody_reads_on_its_way_is_taken(url: str) -> None:
    assert Webhook(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/secret",
        "http://127.0.0.1.example.com/secret",
        "ftp://localhost/secret",
        "https:///secret",
        "https://example.com:port/secret",
        "https://[::1/secret",
        "secret",
    ],
)
def test_a_url_that_is_read_on_its_way_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UsageError, match="--notify takes an https:// URL") as raised:
        Webhook(url)
    assert "secret," not in str(raised.value)
    assert "example" not in str(raised.value)
    assert raised.value.__cause__ is None
