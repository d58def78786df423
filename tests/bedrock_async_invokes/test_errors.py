"""What a refusal quotes of the request is no credential any more."""

from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from bedrock_async_invokes.errors import describe, masked, one_line

SECRET_KEY = "wJalrXUtnFEMI.K7MDENG"
TOKEN = "IQoJb3JpZ2luX2VjEA/" + "aB3+/" * 60 + "=="


@pytest.mark.parametrize(
    ("quoted", "shown"),
    [
        (f"host:sts.amazonaws.com x-amz-security-token:{TOKEN} x", "security-token:(masked) x"),
        (f"X-Amz-Security-Token={TOKEN[:30]}&X-Amz-Date=1", "Security-Token=(masked)&X-Amz-Date=1"),
        ("Authorization=Bearer bedrock-api-key-x.", "Authorization=Bearer (masked)"),
        ("Credential=AKIAIOSFODNN7EXAMPLE/20260331/", "Credential=(masked)/20260331/"),
        (f"the token {TOKEN} is not valid", "the token (masked) is not valid"),
        (f"'Signature={'0f' * 32}'", "'Signature=(masked)'"),
        (f'{{"Signature": "{"0f" * 32}"}}', '{"Signature": "(masked)"}'),
        (f"X-Amz-Security-Token%3D{quote(TOKEN[:30], safe='')}%26", "Token%3D(masked)"),
        (f"the token {quote(TOKEN, safe='')} is", "the token (masked) is"),
        (f"<SecretAccessKey>{SECRET_KEY}", "<SecretAccessKey>(masked)"),
        (f"RoleArn=a&ExternalId={SECRET_KEY}&b", "RoleArn=a&ExternalId=(masked)&b"),
        (f'{{"sts:ExternalId": "{SECRET_KEY}"}}', '{"sts:ExternalId": "(masked)"}'),
        (f"via http://user:{SECRET_KEY}@proxy:3128/", "via http://(masked)@proxy:3128/"),
        (f"via http://user:x@{SECRET_KEY}@proxy:3128", "via http://(masked)@proxy:3128"),
        ("Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=.", "Proxy-Authorization: Basic (masked)."),
    ],
)
def test_a_credential_is_masked(quoted: str, shown: str) -> None:
    assert masked(quoted).endswith(shown)
    error = {"Error": {"Code": "InvalidSignatureException", "Message": quoted}}
    told = describe(ClientError(error, "ListAsyncInvokes"))
    assert told.startswith("InvalidSignatureException: ")
    for secret in (
        TOKEN[:30],
        quote(TOKEN, safe="")[:30],
        "bedrock-api-key",
        "AKIAIOSFODNN7EXAMPLE",
        "0f" * 32,
        SECRET_KEY,
        "dXNlcjpzZWNyZXQ",
    ):
        assert secret not in told


@pytest.mark.parametrize(
    ("code", "operation", "remedy"),
    [
        ("AccessDeniedException", "ListAsyncInvokes", "Allow bedrock:ListAsyncInvokes."),
        ("AccessDenied", "AssumeRole", "Let the role trust the caller, and allow the caller "),
        ("AccessDenied", "PutObject", "Allow the caller to call PutObject."),
        ("AccessDeniedException", "GetTable", "Allow the caller to call GetTable."),
        ("403", "HeadObject", "Allow the caller to call HeadObject."),
    ],
)
def test_who_is_denied_a_call_learns_which(code: str, operation: str, remedy: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "No."}}, operation)
    assert describe(error).startswith(f"{code}: No. {remedy}")


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:bedrock:us-east-1:111122223333:async-invoke/y7p1teq5pk6r is of another account.",
        f"duckdb:/data/{'folder_name/' * 20}copy.duckdb",
        f"s3://bucket/{'key-of/' * 20}",
        "The security token included in the request is expired",
        "The request signature we calculated does not match the signature you provided",
        "The proxy requires Basic authentication: see https://example.com/a@b",
    ],
)
def test_what_is_none_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


def test_a_credential_at_the_end_of_a_long_text_is_masked() -> None:
    told = one_line(f"{TOKEN} " * 9 + "x" * 100_000)
    assert TOKEN[:30] not in told
