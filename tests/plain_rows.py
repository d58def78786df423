"""A listed invocation as the row that it must become, read in the plainest way."""

from datetime import datetime
from typing import Any, Final

from bedrock_async_invokes.columns import ASYNC_INVOKES, TIMESTAMP, Column

COMPARED: Final = [
    each.name for each in ASYNC_INVOKES.columns if each.name not in ("observed_at", "submit_date")
]


def expected_row(summary: dict[str, Any]) -> tuple[Any, ...]:
    """The columns that are compared."""
    _, _, _, region, account_id, resource = summary["invocationArn"].split(":", 5)
    model_id = summary["modelArn"].rpartition("/")[2]
    is_foundation_model = ":foundation-model/" in summary["modelArn"]
    derived = {
        "account_id": account_id,
        "region": region,
        "invocation_id": resource.removeprefix("async-invoke/"),
        "model_id": model_id,
        "model_provider": model_id.partition(".")[0] if is_foundation_model else None,
        "extra": None,
    }
    return tuple(
        _listed(summary, each) if each.member else derived[each.name]
        for each in ASYNC_INVOKES.columns
        if each.name in COMPARED
    )


def _listed(summary: dict[str, Any], column: Column) -> str | datetime | None:
    value: Any = summary
    for name in str(column.member).split("."):
        value = value.get(name) if value else None
    return datetime.fromisoformat(value) if value and column.type == TIMESTAMP else value
