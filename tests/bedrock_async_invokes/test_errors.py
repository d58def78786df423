"""What a refusal quotes of the request is no credential any more."""

import pytest
from botocore.exceptions import ClientError

from bedrock_async_invokes.errors import describe, masked

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
    ],
)
def test_a_credential_is_masked(quoted: str, shown: str) -> None:
    assert masked(quoted).endswith(shown)
    error = {"Error": {"Code": "InvalidSignatureException", "Message": quoted}}
    told = describe(ClientError(error, "ListAsyncInvokes"))
    assert told.startswith("InvalidSignatureException: ")
    for secret in (TOKEN[:30], "bedrock-api-key", "AKIAIOSFODNN7EXAMPLE", "0f" * 32):
        assert secret not in told


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:bedrock:us-east-1:111122223333:async-invoke/y7p1teq5pk6r is of another account.",
        f"duckdb:/data/{'folder_name/' * 20}copy.duckdb",
        f"s3://bucket/{'key-of/' * 20}",
        "The security token included in the request is expired",
    ],
)
def test_what_is_none_stays_as_it_is(text: str) -> None:
    assert masked(text) == text
