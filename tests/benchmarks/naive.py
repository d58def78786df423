"""What most would write: boto3's paginator, rows for dlt, its incremental, a merge into DuckDB.

python -m tests.benchmarks.naive REGION DATABASE
"""

import sys
from collections.abc import Iterator
from typing import Any

import boto3
import dlt


@dlt.resource(primary_key="invocationArn", write_disposition="merge")
def async_invokes(
    region: str,
    submit_time: Any = dlt.sources.incremental("submitTime"),  # noqa: B008, as dlt has it
) -> Iterator[list[dict[str, Any]]]:
    """A region's listing, page by page, from the last submitTime on."""
    client = boto3.client("bedrock-runtime", region)
    bounds = {"submitTimeAfter": submit_time.last_value} if submit_time.last_value else {}
    pages = client.get_paginator("list_async_invokes").paginate(
        sortBy="SubmissionTime",
        sortOrder="Ascending",
        PaginationConfig={"PageSize": 1_000},
        **bounds,
    )
    for page in pages:
        yield page["asyncInvokeSummaries"]


def main(region: str, database: str) -> None:
    """Load a region."""
    pipeline = dlt.pipeline(
        "naive", destination=dlt.destinations.duckdb(database), dataset_name="bedrock"
    )
    pipeline.run(async_invokes(region))


if __name__ == "__main__":
    main(*sys.argv[1:])
