"""An invocation as the JSON of an AsyncInvokeSummary, built as text: no object per row."""

from collections.abc import Iterable
from typing import Any

import orjson

from .instants import iso
from .invocations import COMPLETED, ID_MARK, RAW, Invocations

_OUTPUT = '"outputDataConfig":{"s3OutputDataConfig":{'
_OUTPUT_WITH_UNKNOWN_MEMBERS = (
    '"priority":"standard","usage":{"outputSeconds":6,"billedUnits":[1,2]},'
    '"outputDataConfig":{"retentionPolicy":{"days":30},'
    '"s3OutputDataConfig":{"storageClass":"STANDARD_IA",'
)


def partition_of(region: str) -> str:
    """The AWS partition that a region belongs to."""
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws-cn" if region.startswith("cn-") else "aws"


def arn_prefix(account: str, region: str) -> str:
    """What stands before the id in the ARN of every invocation of a scope."""
    return f"arn:{partition_of(region)}:bedrock:{region}:{account}:async-invoke/"


def to_json(value: Any) -> str:
    """Compact JSON."""
    return orjson.dumps(value).decode()


def template(
    account: str, region: str, model_arn: str, output: dict[str, Any], token: str | None
) -> str:
    """The part of a summary that never changes, up to its submit time.

    The output is the ``s3OutputDataConfig``. `ID_MARK` in any text stands for the id.
    """
    summary = {"invocationArn": arn_prefix(account, region) + ID_MARK, "modelArn": model_arn}
    if token is not None:
        summary["clientRequestToken"] = token
    parts = {**summary, "outputDataConfig": {"s3OutputDataConfig": output}}
    return to_json(parts)[:-1] + ',"submitTime":"'


def status_at(rows: Invocations, row: int, now: int) -> str | None:
    """The status of a row at an instant; None where a raw row has none."""
    outcome = rows.outcome[row]
    if outcome == RAW:
        status = orjson.loads(rows.templates[rows.template[row]]).get("status")
        return status if isinstance(status, str) else None
    if rows.end[row] > now:
        return "InProgress"
    return "Completed" if outcome == COMPLETED else "Failed"


def render(
    rows: Invocations, picked: Iterable[int], now: int, *, unknown_members: bool
) -> list[str]:
    """The summaries of the picked rows at an instant, as JSON."""
    summaries = []
    for row in picked:
        text, outcome = rows.templates[rows.template[row]], rows.outcome[row]
        if outcome == RAW:
            summaries.append(text)
            continue
        if unknown_members:
            text = text.replace(_OUTPUT, _OUTPUT_WITH_UNKNOWN_MEMBERS, 1)
        submit, end = iso(rows.submit[row]), rows.end[row]
        head = text.replace(ID_MARK, rows.id_at(row)) + submit
        if end > now:
            summaries.append(f'{head}","status":"InProgress","lastModifiedTime":"{submit}"}}')
            continue
        ended = iso(end)
        tail = f'"lastModifiedTime":"{ended}","endTime":"{ended}"}}'
        if outcome == COMPLETED:
            summaries.append(f'{head}","status":"Completed",{tail}')
        else:
            failure = rows.outcomes[outcome]
            summaries.append(f'{head}","status":"Failed","failureMessage":{failure},{tail}')
    return summaries
