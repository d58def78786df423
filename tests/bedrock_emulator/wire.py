"""What the tests share: a scope, a moment, and requests below the SDK."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from botocore.exceptions import ClientError

README = Path(__file__).parents[2] / "sources" / "bedrock_emulator" / "README.md"
ACCOUNT, REGION = "111122223333", "us-east-1"
OTHER_ACCOUNT, OTHER_REGION = "444455556666", "eu-west-1"
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
MOST_PAGES = 500
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def access_key(account: str = ACCOUNT) -> str:
    """A permanent access key of an account."""
    return f"AKIA{account}EMUL"


def signed(account: str = ACCOUNT, region: str = REGION, service: str = "bedrock") -> str:
    """An Authorization header; nobody looks at the signature."""
    scope = f"{access_key(account)}/20260105/{region}/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


def fetch(
    url: str,
    path: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    authorization: str | None = None,
    **headers: str,
) -> tuple[int, HTTPMessage, bytes]:
    """One request on a connection of its own: status, headers, body."""
    if authorization is not None:
        headers["Authorization"] = authorization
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=5)) as connection:
        connection.request(method, path, body, headers)
        with connection.getresponse() as response:
            return response.status, response.headers, response.read()


def list_raw(url: str, **parameters: Any) -> dict[str, Any]:
    """A page as JSON, unseen by botocore."""
    _, _, body = fetch(url, f"/async-invoke?{urlencode(parameters)}", authorization=signed())
    page: dict[str, Any] = orjson.loads(body)
    return page


def raw_pages(url: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """All pages of a listing as JSON."""
    token: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page = list_raw(url, **parameters, **token)
        yield page
        if "nextToken" not in page:
            return
        token = {"nextToken": page["nextToken"]}
    raise AssertionError("the pages do not end")


def raw_rows(url: str, **parameters: Any) -> list[dict[str, Any]]:
    """All summaries of a listing as JSON."""
    return [row for page in raw_pages(url, **parameters) for row in page["asyncInvokeSummaries"]]


def arns(rows: list[dict[str, Any]]) -> list[str]:
    """The ARNs of summaries."""
    return [row["invocationArn"] for row in rows]


def outcomes(bedrock: Any, calls: int) -> list[str]:
    """What calls ended in: an error's code, or nothing."""
    codes = []
    for _ in range(calls):
        try:
            bedrock.list_async_invokes()
            codes.append("")
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])
    return codes
