"""A page of the listing: from JSON to Arrow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Any, Final

import orjson
import pyarrow as pa
from botocore.utils import parse_timestamp

from .errors import BrokenPage, UnreadableInvocation

Summary = Mapping[str, Any]
"""One member of `asyncInvokeSummaries`, as it came over the wire."""

TEXTS: Final = ("invocationArn", "modelArn", "clientRequestToken", "status", "failureMessage")
TIMES: Final = ("submitTime", "lastModifiedTime", "endTime")
S3_TEXTS: Final = ("s3Uri", "kmsKeyId", "bucketOwner")
MEMBERS: Final = frozenset({*TEXTS, *TIMES, "outputDataConfig"})
OUTPUT_MEMBERS: Final = frozenset({"s3OutputDataConfig"})
S3_MEMBERS: Final = frozenset(S3_TEXTS)

S3_OUTPUT: Final = pa.struct([(name, pa.string()) for name in S3_TEXTS])
SUMMARY: Final = pa.struct(
    [
        *((name, pa.string()) for name in (*TEXTS, *TIMES)),
        ("outputDataConfig", pa.struct([("s3OutputDataConfig", S3_OUTPUT)])),
    ]
)
"""The members that `async_invokes` has columns for."""


@dataclass(frozen=True)
class Page:
    """Invocations as they are listed."""

    summaries: pa.StructArray
    """Of type `SUMMARY`, none null."""
    extra: pa.StringArray
    """Per summary, what `SUMMARY` does not have, nested where it was found, as JSON; or null."""
    next_token: str | None = None

    def __len__(self) -> int:
        return len(self.summaries)


def read_page(body: bytes) -> Page:
    """Read a page; raises `BrokenPage`, or `UnreadableInvocation` for one of its invocations."""
    try:
        page = _loads(body)
    except ValueError as error:
        raise BrokenPage(f"A page of the listing is not JSON: {error}.") from None
    summaries = page.get("asyncInvokeSummaries", []) if isinstance(page, dict) else None
    if not isinstance(summaries, list) or not all(isinstance(each, dict) for each in summaries):
        raise BrokenPage("A page of the listing is not a list of invocations.")
    return page_of(summaries, page.get("nextToken"))


def page_of(summaries: Sequence[Summary], next_token: str | None = None) -> Page:
    """A page of parsed summaries; raises `UnreadableInvocation`.

    Arrow takes them as they are; where one is not as it should be, each is looked at.
    """
    try:
        return _to_arrow(summaries, next_token)
    except (pa.ArrowException, AttributeError, TypeError, UnicodeError):
        return _to_arrow([_checked(summary) for summary in summaries], next_token)


def _to_arrow(summaries: Sequence[Summary], next_token: str | None) -> Page:
    has_extra = not _has_only_members(summaries)
    extra = map(_extra, summaries) if has_extra else repeat(None, len(summaries))
    return Page(pa.array(summaries, SUMMARY), pa.array(extra, pa.string()), next_token)


def _has_only_members(summaries: Sequence[Summary]) -> bool:
    """Whether there is nothing that the table has no column for, seen over all at once."""
    outputs = [output for each in summaries if (output := each.get("outputDataConfig"))]
    s3_outputs = [output for each in outputs if (output := each.get("s3OutputDataConfig"))]
    return (
        MEMBERS.issuperset(chain.from_iterable(summaries))
        and OUTPUT_MEMBERS.issuperset(chain.from_iterable(outputs))
        and S3_MEMBERS.issuperset(chain.from_iterable(s3_outputs))
    )


def _loads(body: bytes) -> Any:
    """Parse a page; half a surrogate pair, where a message was cut, becomes a replacement mark."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return orjson.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _checked(summary: Summary) -> Summary:
    """The summary, all that is known of it being of its type; numbers as times become text."""
    s3_output = _structure(
        summary, _structure(summary, summary, "outputDataConfig"), "s3OutputDataConfig"
    )
    for parent, names in ((summary, TEXTS), (s3_output, S3_TEXTS)):
        for name in names:
            _check_text(summary, parent, name)
    return {**summary, **{name: _time_text(summary, name) for name in TIMES}}


def _structure(summary: Summary, parent: Summary, member: str) -> Summary:
    value = parent.get(member)
    if value is None:
        return {}
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise UnreadableInvocation(f"{_name(summary)}: {member} is {kind}, not a structure.")
    return value


def _check_text(summary: Summary, parent: Summary, member: str) -> None:
    value = parent.get(member)
    if not isinstance(value, str | None):
        kind = type(value).__name__
        raise UnreadableInvocation(f"{_name(summary)}: {member} is {kind}, not text.")


def _time_text(summary: Summary, member: str) -> str | None:
    """Times are text, but botocore reads numbers as well."""
    value = summary.get(member)
    if isinstance(value, str | None):
        return value
    return parse_time(value, _name(summary), member).isoformat()


def parse_time(value: Any, name: str, member: str) -> datetime:
    """A time as botocore reads it; raises `UnreadableInvocation`, which says `name`."""
    try:
        time: datetime = parse_timestamp(value)
    except (ValueError, TypeError, OverflowError, RuntimeError):
        raise UnreadableInvocation(f"{name}: {member} is {value!r:.80}, not a time.") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _extra(summary: Summary) -> str | None:
    output = summary.get("outputDataConfig") or {}
    s3_output = output.get("s3OutputDataConfig") or {}
    extra = _unknown(summary, MEMBERS)
    extra_output = _unknown(output, OUTPUT_MEMBERS)
    if extra_s3_output := _unknown(s3_output, S3_MEMBERS):
        extra_output["s3OutputDataConfig"] = extra_s3_output
    if extra_output:
        extra["outputDataConfig"] = extra_output
    return orjson.dumps(extra, option=orjson.OPT_SORT_KEYS).decode() if extra else None


def _unknown(structure: Summary, known: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in structure.items() if name not in known}


def _name(summary: Summary) -> str:
    return invocation_name(summary.get("invocationArn"))


def invocation_name(arn: Any) -> str:
    """How an invocation is called in a message."""
    return f"Invocation {arn or '(without an ARN)'}"
