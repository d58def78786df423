"""A page of the listing: from JSON to Arrow."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from reprlib import Repr
from typing import Any, Final

import msgspec
import pyarrow as pa
from botocore.utils import parse_timestamp

from .errors import BrokenPage, ListingError, UnreadableInvocation

Summary = Mapping[str, Any]
"""One member of `asyncInvokeSummaries`, as it came over the wire."""

TEXTS: Final = ("invocationArn", "modelArn", "clientRequestToken", "status", "failureMessage")
TIMES: Final = ("submitTime", "lastModifiedTime", "endTime")
S3_TEXTS: Final = ("s3Uri", "kmsKeyId", "bucketOwner")
MEMBERS: Final = frozenset({*TEXTS, *TIMES, "outputDataConfig"})
OUTPUT_MEMBERS: Final = frozenset({"s3OutputDataConfig"})
S3_MEMBERS: Final = frozenset(S3_TEXTS)

LARGE_PAGE_BYTES: Final = 2_000_000
LARGEST_PAGE_VALUES: Final = 500_000
"""A thousand invocations have some 15,000."""

WHOLE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)?)?", re.ASCII
)
"""ISO 8601 with all of its date; a zone left out is UTC, and what a microsecond lacks is cut."""

HALF_A_PAIR: Final = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>u[dD][89a-fA-F]..)|.)", re.DOTALL
)
"""Any escape in JSON; `half` of a surrogate pair is what no text can have."""

S3_OUTPUT: Final = pa.struct([(name, pa.string()) for name in S3_TEXTS])
SUMMARY: Final = pa.struct(
    [
        *((name, pa.string()) for name in (*TEXTS, *TIMES)),
        ("outputDataConfig", pa.struct([("s3OutputDataConfig", S3_OUTPUT)])),
    ]
)
"""The members that `async_invokes` has columns for."""


class _S3Output(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    s3Uri: str | None = None  # noqa: N815, names of the service's
    kmsKeyId: str | None = None  # noqa: N815
    bucketOwner: str | None = None  # noqa: N815


class _Output(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    s3OutputDataConfig: _S3Output | None = None  # noqa: N815


class _Summary(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    invocationArn: str | None = None  # noqa: N815
    modelArn: str | None = None  # noqa: N815
    clientRequestToken: str | None = None  # noqa: N815
    status: str | None = None
    failureMessage: str | None = None  # noqa: N815
    submitTime: str | None = None  # noqa: N815
    lastModifiedTime: str | None = None  # noqa: N815
    endTime: str | None = None  # noqa: N815
    outputDataConfig: _Output | None = None  # noqa: N815


class _Page(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What is skipped would not be looked at: a name that broke may have been `nextToken`."""

    asyncInvokeSummaries: list[_Summary] | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    nextToken: str | None = None  # noqa: N815


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


def _number(digits: str) -> float | Decimal:
    """A float where that is the very number, else one with all of its digits."""
    number = float(digits)
    try:
        exact = Decimal(digits)
    except InvalidOperation:
        raise ValueError("a number is out of range") from None
    return number if exact == Decimal(repr(number)) else exact


_decode = msgspec.json.Decoder(_Page).decode
_decode_any = msgspec.json.Decoder(float_hook=_number).decode
_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
_shown = Repr()
_shown.maxstring = 80
_NO_OUTPUT = _Output()
_NO_S3_OUTPUT = _S3Output()


def read_page(body: bytes) -> Page:
    """Read a page; raises `ListingError`, or `UnreadableInvocation` for one of its invocations.

    A page of nothing but what is known goes to Arrow in columns. Where there is more in it, or
    something else, each invocation is looked at.
    """
    _check_size(body)
    try:
        page = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _read_any_page(body)
    if page.asyncInvokeSummaries is msgspec.UNSET:
        return _read_any_page(body)
    return Page(
        _in_columns(page.asyncInvokeSummaries),
        pa.nulls(len(page.asyncInvokeSummaries), pa.string()),
        page.nextToken,
    )


def _check_size(body: bytes) -> None:
    """Small values take thirty times the memory that they take on the wire."""
    if len(body) <= LARGE_PAGE_BYTES:
        return
    if sum(map(body.count, (b",", b"[", b"{"))) > LARGEST_PAGE_VALUES:
        raise ListingError(f"A page of the listing has more than {LARGEST_PAGE_VALUES:,} values.")


def _in_columns(summaries: list[_Summary]) -> pa.StructArray:
    """A comprehension for each column: reading an attribute by a name in a variable takes twice."""
    outputs = [(each.outputDataConfig or _NO_OUTPUT).s3OutputDataConfig for each in summaries]
    s3_outputs = [output or _NO_S3_OUTPUT for output in outputs]
    s3_columns = (
        [each.s3Uri for each in s3_outputs],
        [each.kmsKeyId for each in s3_outputs],
        [each.bucketOwner for each in s3_outputs],
    )
    columns = (
        [each.invocationArn for each in summaries],
        [each.modelArn for each in summaries],
        [each.clientRequestToken for each in summaries],
        [each.status for each in summaries],
        [each.failureMessage for each in summaries],
        [each.submitTime for each in summaries],
        [each.lastModifiedTime for each in summaries],
        [each.endTime for each in summaries],
    )
    s3_output = pa.StructArray.from_arrays(_texts(s3_columns), fields=list(S3_OUTPUT))
    output = pa.StructArray.from_arrays([s3_output], ["s3OutputDataConfig"])
    return pa.StructArray.from_arrays([*_texts(columns), output], fields=list(SUMMARY))


def _texts(columns: Iterable[list[str | None]]) -> list[pa.StringArray]:
    return [pa.array(column, pa.string()) for column in columns]


def _read_any_page(body: bytes) -> Page:
    page = _loads(body)
    summaries = _summaries_of(page) if isinstance(page, dict) else None
    if not isinstance(summaries, list) or not all(isinstance(each, dict) for each in summaries):
        raise BrokenPage("A page of the listing is not a list of invocations.")
    next_token = page.get("nextToken")
    if not isinstance(next_token, str | None):
        kind = type(next_token).__name__
        raise BrokenPage(f"A page of the listing has a nextToken that is {kind}, not text.")
    return page_of(summaries, next_token)


def _summaries_of(page: dict[str, Any]) -> Any:
    """A page that has none may leave them out, but then it has nothing else to say."""
    return page.get("asyncInvokeSummaries", None if page.keys() - {"nextToken"} else [])


def page_of(summaries: Sequence[Summary], next_token: str | None = None) -> Page:
    """A page of parsed summaries; raises `UnreadableInvocation`."""
    checked = [_checked(summary) for summary in summaries]
    extra = pa.array(map(_extra, checked), pa.string())
    return Page(pa.array(checked, SUMMARY), extra, next_token)


def _loads(body: bytes) -> Any:
    """Parse a page; half a surrogate pair, where a message was cut, becomes a replacement mark.

    Numbers keep all of their digits. Of a name that comes twice the last counts, as botocore has
    it.
    """
    try:
        return _decode_any(HALF_A_PAIR.sub(_without_half, body))
    except RecursionError:
        raise BrokenPage("A page of the listing is nested too deeply.") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise BrokenPage(f"A page of the listing is not JSON: {error}.") from None


def _without_half(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape["half"] else escape[0]


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
    """A time as botocore reads it, in UTC; raises `UnreadableInvocation`, which says `name`.

    Of texts only those that are a `WHOLE_TIME`: from any other, botocore may make one of today's
    date, of a zone left out, or of digits as seconds.
    """
    try:
        if isinstance(value, bool) or (isinstance(value, str) and not WHOLE_TIME.fullmatch(value)):
            raise ValueError
        time: datetime = parse_timestamp(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, ArithmeticError, RuntimeError):
        shown = _shown.repr(value)
        raise UnreadableInvocation(f"{name}: {member} is {shown}, not a time.") from None


def _extra(summary: Summary) -> str | None:
    output = summary.get("outputDataConfig") or {}
    s3_output = output.get("s3OutputDataConfig") or {}
    extra = _unknown(summary, MEMBERS)
    extra_output = _unknown(output, OUTPUT_MEMBERS)
    if extra_s3_output := _unknown(s3_output, S3_MEMBERS):
        extra_output["s3OutputDataConfig"] = extra_s3_output
    if extra_output:
        extra["outputDataConfig"] = extra_output
    try:
        return _encode(extra).decode() if extra else None
    except RecursionError:
        message = f"{_name(summary)}: what it has beyond its columns is nested too deeply."
        raise UnreadableInvocation(message) from None


def _unknown(structure: Summary, known: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in structure.items() if name not in known}


def _name(summary: Summary) -> str:
    return invocation_name(summary.get("invocationArn"))


def invocation_name(arn: Any) -> str:
    """How an invocation is called in a message."""
    is_named = isinstance(arn, str) and arn
    return f"Invocation {arn:.200}" if is_named else "Invocation (without an ARN)"
