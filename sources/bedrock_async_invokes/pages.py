"""A page of the listing: from JSON to columns of text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from reprlib import Repr
from typing import Any, Final

import msgspec
import pyarrow as pa
from botocore.utils import parse_timestamp

from .columns import ASYNC_INVOKES, TEXT, TIMESTAMP
from .errors import BrokenPage, ListingError, UnreadableInvocation

Summary = Mapping[str, Any]
"""One member of `asyncInvokeSummaries`, as it came over the wire."""

LISTED: Final = tuple(each for each in ASYNC_INVOKES.columns if each.member)
"""The columns that are members of a summary."""
TIMES: Final = frozenset(each.name for each in LISTED if each.type == TIMESTAMP)
PAGE_SCHEMA: Final = pa.schema([*((each.name, TEXT) for each in LISTED), ("extra", TEXT)])

LARGE_PAGE_BYTES: Final = 2_000_000
LARGEST_PAGE_VALUES: Final = 500_000
"""A thousand invocations have some 15,000."""

WHOLE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d(:?\d\d)?)?)?", re.ASCII
)
"""ISO 8601 with a full date; a missing zone is UTC, digits below a microsecond are cut."""

HALF_A_PAIR: Final = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>u[dD][89a-fA-F]..)|.)", re.DOTALL
)
"""Any escape in JSON; `half` of a surrogate pair cannot be part of a text."""

Tree = dict[str, "str | Tree"]


def _members() -> Tree:
    """Column by member of a summary, nested as the service nests the members."""
    members: Tree = {}
    for each in LISTED:
        node: Any = members
        *parents, name = str(each.member).split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = each.name
    return members


def _structure(name: str, members: Tree) -> Any:
    """A structure with these members alone, each text or null, or a structure itself."""
    fields: list[Any] = []
    for member, inner in members.items():
        if isinstance(inner, str):
            fields.append((member, str | None, None))
        else:
            structure = _structure(member, inner)
            fields.append((member, structure, msgspec.field(default_factory=structure)))
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, gc=False)


def _number(digits: str) -> float | Decimal:
    """A float if that is the exact number, else one with all of its digits."""
    number = float(digits)
    try:
        exact = Decimal(digits)
    except InvalidOperation:
        raise ValueError("a number is out of range") from None
    return number if exact == Decimal(repr(number)) else exact


MEMBERS: Final = _members()
_PAGE: Final = msgspec.defstruct(
    "Page",
    [
        ("asyncInvokeSummaries", list[_structure("Summary", MEMBERS)]),  # type: ignore[misc]
        ("nextToken", str | None, None),
    ],
    forbid_unknown_fields=True,  # A broken name may have been `nextToken`.
    gc=False,
)
_decode: Final = msgspec.json.Decoder(_PAGE).decode
_decode_any: Final = msgspec.json.Decoder(float_hook=_number).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
_READERS: Final = [attrgetter(str(each.member)) for each in LISTED]
"""Getter of each column's value from a structure."""
_shown = Repr()
_shown.maxstring = 80


@dataclass(frozen=True)
class Page:
    """Invocations as they are listed."""

    listed: pa.RecordBatch
    """Texts per summary, of `PAGE_SCHEMA`; `extra` is JSON of what has no column, or null."""
    next_token: str | None = None

    def __len__(self) -> int:
        return int(self.listed.num_rows)


def read_page(body: bytes) -> Page:
    """Read a page; raises `ListingError`, or `UnreadableInvocation` for one of its invocations.

    A page of known members alone goes to Arrow in columns. Any other is read value by value.
    """
    _check_size(body)
    try:
        page: Any = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _read_any_page(body)
    summaries = page.asyncInvokeSummaries
    columns = [pa.array(list(map(read, summaries)), TEXT) for read in _READERS]
    columns.append(pa.nulls(len(summaries), TEXT))
    return Page(pa.RecordBatch.from_arrays(columns, schema=PAGE_SCHEMA), page.nextToken)


def _check_size(body: bytes) -> None:
    """Small values take thirty times the memory that they take on the wire."""
    if len(body) <= LARGE_PAGE_BYTES:
        return
    if sum(map(body.count, (b",", b"[", b"{"))) > LARGEST_PAGE_VALUES:
        raise ListingError(f"A page of the listing has more than {LARGEST_PAGE_VALUES:,} values.")


def _read_any_page(body: bytes) -> Page:
    page = _loads(body)
    summaries = None
    if isinstance(page, dict):
        # A page without invocations may leave them out, if it has no other member but a token.
        summaries = page.get("asyncInvokeSummaries", None if page.keys() - {"nextToken"} else [])
    if not isinstance(summaries, list) or not all(isinstance(each, dict) for each in summaries):
        raise BrokenPage("A page of the listing is not a list of invocations.")
    next_token = page.get("nextToken")
    if not isinstance(next_token, str | None):
        kind = type(next_token).__name__
        raise BrokenPage(f"A page of the listing has a nextToken that is {kind}, not text.")
    return page_of(summaries, next_token)


def _loads(body: bytes) -> Any:
    """Parse a page; half a surrogate pair, where a message was cut, becomes a replacement mark.

    Numbers keep all of their digits. Of a repeated name the last counts, as in botocore.
    """
    try:
        return _decode_any(HALF_A_PAIR.sub(_without_half, body))
    except RecursionError:
        raise BrokenPage("A page of the listing is nested too deeply.") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise BrokenPage(f"A page of the listing is not JSON: {error}.") from None


def _without_half(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape["half"] else escape[0]


def page_of(summaries: Sequence[Summary], next_token: str | None = None) -> Page:
    """A page of parsed summaries; raises `UnreadableInvocation`."""
    rows = [_row(summary) for summary in summaries]
    return Page(pa.RecordBatch.from_pylist(rows, PAGE_SCHEMA), next_token)


def _row(summary: Summary) -> dict[str, str | None]:
    row: dict[str, str | None] = {}
    name = invocation_name(summary.get("invocationArn"))
    if extra := _fill(row, name, summary, MEMBERS):
        try:
            row["extra"] = _encode(extra).decode()
        except RecursionError:
            message = f"{name}: what it has beyond its columns is nested too deeply."
            raise UnreadableInvocation(message) from None
    return row


def _fill(
    row: dict[str, str | None], name: str, structure: Summary, members: Tree
) -> dict[str, Any]:
    """Put the members with columns into the row; returns the others, nested as they are listed.

    Numbers as times become text, since botocore reads them, too.
    """
    others = {member: value for member, value in structure.items() if member not in members}
    for member, inner in members.items():
        value = structure.get(member)
        if value is None:
            continue
        if isinstance(inner, dict):
            if not isinstance(value, dict):
                raise _is_not(name, member, value, "a structure")
            if nested := _fill(row, name, value, inner):
                others[member] = nested
        elif isinstance(value, str):
            row[inner] = value
        elif inner in TIMES:
            row[inner] = parse_time(value, name, member).isoformat()
        else:
            raise _is_not(name, member, value, "text")
    return others


def _is_not(name: str, member: str, value: Any, expected: str) -> UnreadableInvocation:
    kind = type(value).__name__
    return UnreadableInvocation(f"{name}: {member} is {kind}, not {expected}.")


def parse_time(value: Any, name: str, member: str) -> datetime:
    """A time as botocore reads it, in UTC; raises `UnreadableInvocation` with the given `name`.

    Texts must be a `WHOLE_TIME`: from any other, botocore may make one of today's date, of a
    missing zone, or of digits as seconds.
    """
    try:
        if isinstance(value, bool) or (isinstance(value, str) and not WHOLE_TIME.fullmatch(value)):
            raise ValueError
        time: datetime = parse_timestamp(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, ArithmeticError, RuntimeError):
        shown = _shown.repr(value)
        raise UnreadableInvocation(f"{name}: {member} is {shown}, not a time.") from None


def invocation_name(arn: Any) -> str:
    """The name of an invocation in a message."""
    is_named = isinstance(arn, str) and arn
    return f"Invocation {arn:.200}" if is_named else "Invocation (without an ARN)"
