"""Rows of `async_invokes`: from a page's texts to Arrow, and a digest of each."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from .columns import ASYNC_INVOKES, TEXT, TIMESTAMP, Column, no_rows
from .errors import UnreadableInvocation
from .failure_messages import stored_extra, stored_messages
from .options import FailureMessages
from .pages import LISTED, Page, invocation_name, parse_time
from .windows import EARLIEST_US, LATEST_US

NO_ROWS: Final = no_rows(ASYNC_INVOKES.schema)
TERMINAL_STATUSES: Final = ("Completed", "Failed")
"""An invocation with one of these does not change any more."""

ARN_HEAD: Final = (
    r"^arn:aws[^:]*:bedrock:(?P<region>[a-z0-9-]+):(?P<account_id>[0-9]{12}):async-invoke/"
)
ARN_PARTS: Final = ARN_HEAD + r"(?P<invocation_id>[^:/]+)$"
MODEL_ID: Final = re.compile(r"(?:^|/)([^/]+)$")
MODEL_PROVIDER: Final = re.compile(r":foundation-model/([^./]+)\.")

SEPARATOR: Final = "\x1f"
NULL: Final = "\x00"

_DIGESTED: Final = [
    each for each in ASYNC_INVOKES.columns if each.name not in ("observed_at", "submit_date")
]


def to_table(
    page: Page, observed_at: datetime, failure_messages: FailureMessages = "keep"
) -> pa.Table:
    """One row of `async_invokes` per summary, in the listed order.

    Raises `UnreadableInvocation` for one without an ARN, without a model, or with a malformed time.
    """
    if not len(page):
        return NO_ROWS
    listed = dict(zip(page.listed.schema.names, page.listed.columns, strict=True))
    columns = listed | {each.name: _values(listed, each) for each in LISTED}
    columns |= {
        **_arn_parts(columns["invocation_arn"]),
        **_model_parts(columns["model_arn"]),
        "failure_message": stored_messages(listed["failure_message"], failure_messages),
        "extra": stored_extra(listed["extra"], failure_messages),
        "submit_date": columns["submit_time"].cast(pa.date32()),
        "observed_at": pa.repeat(pa.scalar(observed_at, TIMESTAMP), len(page)),
    }
    schema = ASYNC_INVOKES.schema
    return pa.table([columns[name] for name in schema.names], schema=schema)


def is_open(table: pa.Table) -> pa.BooleanArray:
    """True where the invocation is listed as not ended, as the model `invocations` has it.

    It has ended with a terminal status, or with an end time and any status but InProgress: none,
    or one that AWS adds later.
    """
    status = table["status"]
    is_terminal = pc.is_in(status, pa.array(TERMINAL_STATUSES))
    is_in_progress = pc.fill_null(pc.equal(status, "InProgress"), False)
    return pc.and_not(pc.or_(is_in_progress, pc.is_null(table["end_time"])), is_terminal)


def submit_microseconds(table: pa.Table) -> pa.ChunkedArray:
    """The submit times as int64 microseconds since the epoch."""
    return table["submit_time"].cast(pa.int64())


def submit_edges(table: pa.Table) -> tuple[int | None, int | None]:
    """The oldest and the newest submit time, in microseconds; None where no row has one."""
    edges = pc.min_max(submit_microseconds(table)).as_py()
    return edges["min"], edges["max"]


def digests(table: pa.Table) -> list[str]:
    """A 64-bit hash per row of all listed values, so that a change shows."""
    if not table.num_rows:
        return []
    columns = [
        table[each.name].cast(pa.int64()).cast(TEXT) if each.type == TIMESTAMP else table[each.name]
        for each in _DIGESTED
    ]
    texts = pc.binary_join_element_wise(
        *columns, SEPARATOR, null_handling="replace", null_replacement=NULL
    )
    rows = texts.cast(pa.binary()).to_pylist()
    if not _are_distinct(rows, columns):
        for at in _ambiguous(texts, columns):
            rows[at] = json.dumps([column[at].as_py() for column in columns]).encode()
    return [hashlib.blake2b(row, digest_size=8).hexdigest() for row in rows]


def _are_distinct(rows: Sequence[bytes], columns: Sequence[pa.ChunkedArray]) -> bool:
    """True if no value contains the separator or the mark of a null."""
    whole = b"".join(rows)
    separators, nulls = whole.count(SEPARATOR.encode()), whole.count(NULL.encode())
    return separators == len(rows) * (len(columns) - 1) and nulls == sum(
        column.null_count for column in columns
    )


def _ambiguous(texts: pa.ChunkedArray, columns: Sequence[pa.ChunkedArray]) -> list[int]:
    """Rows that may look like another: a value has a separator, or is the mark of a null."""
    is_odd = pc.not_equal(pc.count_substring(texts, SEPARATOR), len(columns) - 1)
    for column in columns:
        is_odd = pc.or_(is_odd, pc.fill_null(pc.equal(column, NULL), False))
    odd: list[int] = pc.indices_nonzero(is_odd).to_pylist()
    return odd


def _values(listed: Mapping[str, pa.StringArray], column: Column) -> pa.Array:
    """The values of a listed column; raises `UnreadableInvocation`."""
    values = listed[column.name]
    if column.type == TIMESTAMP:
        return _times(listed, column)
    if column.is_required and (values.null_count or pc.any(pc.equal(values, "")).as_py()):
        is_missing = pc.fill_null(pc.equal(values, ""), True)
        arn = listed["invocation_arn"][pc.index(is_missing, True).as_py()].as_py()
        raise UnreadableInvocation(f"{invocation_name(arn)}: listed without {column.member}.")
    return values


def _times(listed: Mapping[str, pa.StringArray], column: Column) -> pa.TimestampArray:
    """ISO 8601 is cast in one go; any other time is read as botocore does."""
    try:
        times = listed[column.name].cast(TIMESTAMP)
    except pa.ArrowInvalid:
        return _each_time(listed, column)
    edges = pc.min_max(times.cast(pa.int64())).as_py()
    is_in_years_of_datetime = edges["min"] is None or (
        edges["min"] >= EARLIEST_US and edges["max"] <= LATEST_US
    )
    return times if is_in_years_of_datetime else _each_time(listed, column)


def _each_time(listed: Mapping[str, pa.StringArray], column: Column) -> pa.TimestampArray:
    pairs = zip(listed[column.name].to_pylist(), listed["invocation_arn"].to_pylist(), strict=True)
    times = [
        None if text is None else parse_time(text, invocation_name(arn), str(column.member))
        for text, arn in pairs
    ]
    return pa.array(times, TIMESTAMP)


def _arn_parts(arns: pa.StringArray) -> dict[str, pa.Array]:
    """Account, region and id; if all ARNs begin alike, their beginning is parsed once."""
    head = arns[0].as_py().rpartition("/")[0] + "/"
    parts = re.match(ARN_HEAD + "$", head)
    if parts and pc.all(pc.starts_with(arns, head)).as_py():
        ids = pc.binary_replace_slice(arns, 0, len(head), "")
        odd_ids = (pc.match_substring(ids, ":"), pc.match_substring(ids, "/"), pc.equal(ids, ""))
        if not any(pc.any(is_odd).as_py() for is_odd in odd_ids):
            common = {name: pa.repeat(part, len(arns)) for name, part in parts.groupdict().items()}
            return common | {"invocation_id": ids}
    found = pc.extract_regex(arns, pattern=ARN_PARTS)
    return {name: pc.struct_field(found, name) for name in found.type.names}


def _model_parts(models: pa.StringArray) -> dict[str, pa.Array]:
    """Id and provider, parsed once for each model."""
    distinct = models.dictionary_encode()
    parts = [_parts_of_model(model) for model in distinct.dictionary.to_pylist()]
    return {
        name: pa.array([part[at] for part in parts], TEXT).take(distinct.indices)
        for at, name in enumerate(("model_id", "model_provider"))
    }


@lru_cache(maxsize=4_096)
def _parts_of_model(model: str) -> tuple[str | None, str | None]:
    model_id, provider = MODEL_ID.search(model), MODEL_PROVIDER.search(model)
    return model_id and model_id[1], provider and provider[1]
