"""A listed invocation as the row that it must become, read in the plainest way."""

from datetime import datetime
from typing import Any, Final

from bedrock_async_invokes.columns import ASYNC_INVOKES

COMPARED: Final = [
    each.name for each in ASYNC_INVOKES.columns if each.name not in ("observed_at", "submit_date")
]


def expected_row(summary: dict[str, Any]) -> tuple[Any, ...]:
    """The columns that are compared."""
    _, _, _, region, account_id, resource = summary["invocationArn"].split(":", 5)
    model_id = summary["modelArn"].rpartition("/")[2]
    is_foundation_model = ":foundation-model/" in summary["modelArn"]
    output = summary["outputDataConfig"]["s3OutputDataConfig"]
    return (
        summary["invocationArn"],
        account_id,
        region,
        resource.removeprefix("async-invoke/"),
        summary["modelArn"],
        model_id,
        model_id.partition(".")[0] if is_foundation_model else None,
        summary.get("clientRequestToken"),
        summary["status"],
        summary.get("failureMessage"),
        *(_time(summary.get(name)) for name in ("submitTime", "lastModifiedTime", "endTime")),
        output["s3Uri"],
        output.get("kmsKeyId"),
        output.get("bucketOwner"),
        None,
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
