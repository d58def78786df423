"""The least that a copy takes: raw HTTP, orjson, Arrow, DuckDB; no signing, no state, no merge.

python -m tests.benchmarks.floor REGION DATABASE
"""

import os
import sys
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import duckdb
import orjson
import pyarrow as pa

TEXTS = ("invocationArn", "modelArn", "clientRequestToken", "status", "failureMessage")
TIMES = ("submitTime", "lastModifiedTime", "endTime")
S3_OUTPUT = pa.struct([(name, pa.string()) for name in ("s3Uri", "kmsKeyId", "bucketOwner")])
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in (*TEXTS, *TIMES)),
        ("outputDataConfig", pa.struct([("s3OutputDataConfig", S3_OUTPUT)])),
    ]
)
TIMESTAMP = pa.timestamp("us", tz="UTC")


def main(region: str, database: str) -> None:
    """Page through a region's listing and write it in one go."""
    connection = HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]).netloc)
    key = os.environ["AWS_ACCESS_KEY_ID"]
    scope = f"{key}/20260331/{region}/bedrock/aws4_request"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    }
    tables: list[pa.Table] = []
    page: dict[str, Any] = {"nextToken": ""}
    while (token := page.get("nextToken")) is not None:
        page = read_page(connection, headers, token)
        tables.append(to_table(page["asyncInvokeSummaries"]))
    listed = pa.concat_tables(tables)
    with duckdb.connect(database) as target:
        target.register("listed", listed)
        target.execute("create table async_invokes as from listed")


def read_page(connection: HTTPConnection, headers: dict[str, str], token: str) -> dict[str, Any]:
    """One page, the first where the token is empty."""
    query = {"maxResults": 1000, "sortBy": "SubmissionTime", "sortOrder": "Ascending"}
    query |= {"nextToken": token} if token else {}
    connection.request("GET", f"/async-invoke?{urlencode(query)}", headers=headers)
    page: dict[str, Any] = orjson.loads(connection.getresponse().read())
    return page


def to_table(summaries: list[dict[str, Any]]) -> pa.Table:
    """Rows as they are listed, times as timestamps."""
    table = pa.Table.from_pylist(summaries, schema=SCHEMA)
    for name in TIMES:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].cast(TIMESTAMP))
    return table


if __name__ == "__main__":
    main(*sys.argv[1:])
