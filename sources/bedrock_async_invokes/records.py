"""Listed summaries to Arrow: the schema of `async_invokes` and what is read from ARNs."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from .errors import UnreadableInvocation
from .failure_messages import stored_messages
from .instants import EARLIEST_US, LATEST_US
from .pages import Page, invocation_name, parse_time
from .settings import TERMINAL_STATUSES, FailureMessages

TIMESTAMP: Final = pa.timestamp("us", tz="UTC")

SCHEMA: Final = pa.schema(
    [
        pa.field("invocation_arn", pa.string(), nullable=False),
        pa.field("account_id", pa.string()),
        pa.field("region", pa.string()),
        pa.field("invocation_id", pa.string()),
        pa.field("model_arn", pa.string(), nullable=False),
        pa.field("model_id", pa.string()),
        pa.field("model_provider", pa.string()),
        pa.field("client_request_token", pa.string()),
        pa.field("status", pa.string()),
        pa.field("failure_message", pa.string()),
        pa.field("submit_time", TIMESTAMP),
        pa.field("last_modified_time", TIMESTAMP),
        pa.field("end_time", TIMESTAMP),
        pa.field("submit_date", pa.date32()),
        pa.field("output_s3_uri", pa.string()),
        pa.field("output_kms_key_id", pa.string()),
        pa.field("output_bucket_owner", pa.string()),
        pa.field("extra", pa.string()),
        pa.field("observed_at", TIMESTAMP),
    ]
)
"""The columns of `async_invokes`; dlt's `_dlt_load_id` follows them."""
NO_ROWS: Final = SCHEMA.empty_table()

ARN_HEAD: Final = (
    r"^arn:aws[^:]*:bedrock:(?P<region>[a-z0-9-]+):(?P<account_id>[0-9]{12}):async-invoke/"
)
ARN_PARTS: Final = ARN_HEAD + r"(?P<invocation_id>[^:/]+)$"
MODEL_ID: Final = re.compile(r"(?:^|/)([^/]+)$")
MODEL_PROVIDER: Final = re.compile(r":foundation-model/([^./]+)\.")

SEPARATOR: Final = "\x1f"
NULL: Final = "\x00"

_DIGESTED: Final = [name for name in SCHEMA.names if name not in ("observed_at", "submit_date")]


def to_table(
    page: Page, observed_at: datetime, failure_messages: FailureMessages = "keep"
) -> pa.Table:
    """One row per summary, in the order given, as `SCHEMA` has it.

    Raises `UnreadableInvocation` for one without an ARN, without a model, or with a time that is
    none.
    """
    if not len(page):
        return NO_ROWS
    listed = dict(zip(page.summaries.type.names, page.summaries.flatten(), strict=True))
    output = pc.struct_field(listed["outputDataConfig"], "s3OutputDataConfig")
    arns = _required(listed, "invocationArn")
    models = _required(listed, "modelArn")
    submitted = _times(listed, "submitTime")
    columns = {
        "invocation_arn": arns,
        **_arn_parts(arns),
        "model_arn": models,
        **_model_parts(models),
        "client_request_token": listed["clientRequestToken"],
        "status": listed["status"],
        "failure_message": stored_messages(listed["failureMessage"], failure_messages),
        "submit_time": submitted,
        "last_modified_time": _times(listed, "lastModifiedTime"),
        "end_time": _times(listed, "endTime"),
        "submit_date": submitted.cast(pa.date32()),
        "output_s3_uri": pc.struct_field(output, "s3Uri"),
        "output_kms_key_id": pc.struct_field(output, "kmsKeyId"),
        "output_bucket_owner": pc.struct_field(output, "bucketOwner"),
        "extra": page.extra,
        "observed_at": pa.repeat(pa.scalar(observed_at, TIMESTAMP), len(page)),
    }
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def is_open(table: pa.Table) -> pa.BooleanArray:
    """True where the invocation may still change.

    That is every status that is not terminal, except one that AWS adds later and that comes with
    an end time.
    """
    status = table["status"]
    is_terminal = pc.is_in(status, pa.array(TERMINAL_STATUSES))
    is_new_and_ended = pc.and_(
        pc.fill_null(pc.not_equal(status, "InProgress"), False), pc.is_valid(table["end_time"])
    )
    return pc.invert(pc.or_(is_terminal, is_new_and_ended))


def submit_microseconds(table: pa.Table) -> pa.ChunkedArray:
    """The submit times as int64 microseconds since the epoch."""
    return table["submit_time"].cast(pa.int64())


def submit_edges(table: pa.Table) -> tuple[int | None, int | None]:
    """The oldest and the newest submit time, in microseconds; None where no row has one."""
    edges = pc.min_max(submit_microseconds(table)).as_py()
    return edges["min"], edges["max"]


def digests(table: pa.Table) -> list[str]:
    """A 64-bit hash per row of all that the listing told, so that a change shows."""
    if not table.num_rows:
        return []
    columns = [
        table[name].cast(pa.int64()).cast(pa.string())
        if pa.types.is_timestamp(table.schema.field(name).type)
        else table[name]
        for name in _DIGESTED
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
    """Whether no value has what separates values, nor what stands for none."""
    whole = b"".join(rows)
    separators, nulls = whole.count(SEPARATOR.encode()), whole.count(NULL.encode())
    return separators == len(rows) * (len(columns) - 1) and nulls == sum(
        column.null_count for column in columns
    )


def _ambiguous(texts: pa.ChunkedArray, columns: Sequence[pa.ChunkedArray]) -> list[int]:
    """Rows that may look like another: a value has a separator, or is what stands for none."""
    is_odd = pc.not_equal(pc.count_substring(texts, SEPARATOR), len(columns) - 1)
    for column in columns:
        is_odd = pc.or_(is_odd, pc.fill_null(pc.equal(column, NULL), False))
    odd: list[int] = pc.indices_nonzero(is_odd).to_pylist()
    return odd


def _required(listed: Mapping[str, pa.StringArray], member: str) -> pa.StringArray:
    values = listed[member]
    if values.null_count or pc.any(pc.equal(values, "")).as_py():
        is_missing = pc.fill_null(pc.equal(values, ""), True)
        arn = listed["invocationArn"][pc.index(is_missing, True).as_py()].as_py()
        raise UnreadableInvocation(f"{invocation_name(arn)}: listed without {member}.")
    return values


def _times(listed: Mapping[str, pa.StringArray], member: str) -> pa.TimestampArray:
    """ISO 8601 is cast in one go; what else is a time is read as botocore does."""
    try:
        times = listed[member].cast(TIMESTAMP)
    except pa.ArrowInvalid:
        return _each_time(listed, member)
    edges = pc.min_max(times.cast(pa.int64())).as_py()
    is_in_years_of_datetime = edges["min"] is None or (
        edges["min"] >= EARLIEST_US and edges["max"] <= LATEST_US
    )
    return times if is_in_years_of_datetime else _each_time(listed, member)


def _each_time(listed: Mapping[str, pa.StringArray], member: str) -> pa.TimestampArray:
    pairs = zip(listed[member].to_pylist(), listed["invocationArn"].to_pylist(), strict=True)
    times = [
        None if text is None else parse_time(text, invocation_name(arn), member)
        for text, arn in pairs
    ]
    return pa.array(times, TIMESTAMP)


def _arn_parts(arns: pa.StringArray) -> dict[str, pa.Array]:
    """Account, region and id; where all ARNs begin alike, their beginning is looked at once."""
    head = arns[0].as_py().rpartition("/")[0] + "/"
    parts = re.match(ARN_HEAD + "$", head)
    if parts is None or not pc.all(pc.starts_with(arns, head)).as_py():
        return _each_arns_parts(arns)
    ids = pc.binary_replace_slice(arns, 0, len(head), "")
    if _is_any(pc.match_substring(ids, ":"), pc.match_substring(ids, "/"), pc.equal(ids, "")):
        return _each_arns_parts(arns)
    common = {name: pa.repeat(part, len(arns)) for name, part in parts.groupdict().items()}
    return common | {"invocation_id": ids}


def _each_arns_parts(arns: pa.StringArray) -> dict[str, pa.Array]:
    parts = pc.extract_regex(arns, pattern=ARN_PARTS)
    return {name: pc.struct_field(parts, name) for name in parts.type.names}


def _is_any(*conditions: pa.BooleanArray) -> bool:
    return any(pc.any(condition).as_py() for condition in conditions)


def _model_parts(models: pa.StringArray) -> dict[str, pa.Array]:
    """Id and provider, looked for once in each model."""
    distinct = models.dictionary_encode()
    parts = [_parts_of_model(model) for model in distinct.dictionary.to_pylist()]
    names = ("model_id", "model_provider")
    columns = [pa.array([part[at] for part in parts], pa.string()) for at in range(len(names))]
    return {
        name: values.take(distinct.indices) for name, values in zip(names, columns, strict=True)
    }


@lru_cache(maxsize=4_096)
def _parts_of_model(model: str) -> tuple[str | None, str | None]:
    model_id, provider = MODEL_ID.search(model), MODEL_PROVIDER.search(model)
    return model_id and model_id[1], provider and provider[1]
