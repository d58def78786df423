"""Listed summaries to Arrow: the schema of `async_invokes` and what is read from ARNs."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from botocore.utils import parse_timestamp

from .failure_messages import stored_messages
from .settings import TERMINAL_STATUSES, FailureMessages

Summary = Mapping[str, Any]
"""One member of `asyncInvokeSummaries`, as it came over the wire."""

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

ARN_PARTS: Final = (
    r"^arn:aws[^:]*:bedrock:(?P<region>[a-z0-9-]+):(?P<account_id>[0-9]{12})"
    r":async-invoke/(?P<invocation_id>[^:/]+)$"
)
MODEL_ID: Final = r"(?:^|/)(?P<model_id>[^/]+)$"
MODEL_PROVIDER: Final = r":foundation-model/(?P<model_provider>[^./]+)\."

MEMBERS: Final = frozenset(
    {
        "invocationArn",
        "modelArn",
        "clientRequestToken",
        "status",
        "failureMessage",
        "submitTime",
        "lastModifiedTime",
        "endTime",
        "outputDataConfig",
    }
)
OUTPUT_MEMBERS: Final = frozenset({"s3OutputDataConfig"})
S3_MEMBERS: Final = frozenset({"s3Uri", "kmsKeyId", "bucketOwner"})

_DIGESTED: Final = [name for name in SCHEMA.names if name not in ("observed_at", "submit_date")]


class UnreadableInvocation(ValueError):
    """A listed invocation that cannot be understood; the message names it."""


def to_table(
    summaries: Sequence[Summary], observed_at: datetime, failure_messages: FailureMessages = "keep"
) -> pa.Table:
    """One row per summary, in the order given, as `SCHEMA` has it."""
    outputs = [_structure(each, "outputDataConfig") for each in summaries]
    s3_outputs = [_structure(output, "s3OutputDataConfig") for output in outputs]
    arns = _required(summaries, "invocationArn")
    models = _required(summaries, "modelArn")
    submitted = _times(summaries, "submitTime")
    messages = _strings(summaries, "failureMessage", summaries)
    columns = {
        "invocation_arn": arns,
        **_parts(arns, ARN_PARTS, "account_id", "region", "invocation_id"),
        "model_arn": models,
        **_parts(models, MODEL_ID, "model_id"),
        **_parts(models, MODEL_PROVIDER, "model_provider"),
        "client_request_token": _strings(summaries, "clientRequestToken", summaries),
        "status": _strings(summaries, "status", summaries),
        "failure_message": stored_messages(messages, failure_messages),
        "submit_time": submitted,
        "last_modified_time": _times(summaries, "lastModifiedTime"),
        "end_time": _times(summaries, "endTime"),
        "submit_date": submitted.cast(pa.date32()),
        "output_s3_uri": _strings(s3_outputs, "s3Uri", summaries),
        "output_kms_key_id": _strings(s3_outputs, "kmsKeyId", summaries),
        "output_bucket_owner": _strings(s3_outputs, "bucketOwner", summaries),
        "extra": pa.array(list(map(_extra, summaries, outputs, s3_outputs)), pa.string()),
        "observed_at": pa.repeat(pa.scalar(observed_at, TIMESTAMP), len(summaries)),
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
    text = [
        table[name].cast(pa.int64()).cast(pa.string())
        if pa.types.is_timestamp(table.schema.field(name).type)
        else table[name]
        for name in _DIGESTED
    ]
    rows = pc.binary_join_element_wise(
        *text, "\x1f", null_handling="replace", null_replacement="\x00"
    )
    return [
        hashlib.blake2b(row, digest_size=8).hexdigest()
        for row in rows.cast(pa.binary()).to_pylist()
    ]


def _structure(parent: Summary, member: str) -> Summary:
    value = parent.get(member)
    if value is None:
        return {}
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise UnreadableInvocation(f"{_name(parent)}: {member} is {kind}, not a structure.")
    return value


def _required(summaries: Sequence[Summary], member: str) -> pa.Array:
    values = _strings(summaries, member, summaries)
    if values.null_count:
        nameless = summaries[pc.index(pc.is_null(values), True).as_py()]
        raise UnreadableInvocation(f"{_name(nameless)}: listed without {member}.")
    return values


def _strings(parents: Sequence[Summary], member: str, summaries: Sequence[Summary]) -> pa.Array:
    values = [parent.get(member) for parent in parents]
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowException, TypeError, UnicodeError):
        for summary, value in zip(summaries, values, strict=True):
            if not isinstance(value, str | None):
                raise UnreadableInvocation(
                    f"{_name(summary)}: {member} is {type(value).__name__}, not text."
                ) from None
        raise


def _times(summaries: Sequence[Summary], member: str) -> pa.Array:
    """ISO 8601 text is cast in one go; what else botocore reads as a time is read as it does."""
    try:
        return _strings(summaries, member, summaries).cast(TIMESTAMP)
    except (pa.ArrowInvalid, UnreadableInvocation):
        return pa.array([_time(summary, member) for summary in summaries], TIMESTAMP)


def _time(summary: Summary, member: str) -> datetime | None:
    value = summary.get(member)
    if value is None:
        return None
    try:
        time: datetime = parse_timestamp(value)
    except (ValueError, TypeError, OverflowError, RuntimeError):
        raise UnreadableInvocation(
            f"{_name(summary)}: {member} is {value!r:.80}, not a time."
        ) from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _parts(values: pa.Array, pattern: str, *names: str) -> dict[str, pa.Array]:
    parts = pc.extract_regex(values, pattern=pattern)
    return {name: pc.struct_field(parts, name) for name in names}


def _extra(summary: Summary, output: Summary, s3_output: Summary) -> str | None:
    """What the contract does not know, nested where it was found, as JSON; None when nothing."""
    if (
        summary.keys() <= MEMBERS
        and output.keys() <= OUTPUT_MEMBERS
        and s3_output.keys() <= S3_MEMBERS
    ):
        return None
    extra = _unknown(summary, MEMBERS)
    extra_output = _unknown(output, OUTPUT_MEMBERS)
    if extra_s3_output := _unknown(s3_output, S3_MEMBERS):
        extra_output["s3OutputDataConfig"] = extra_s3_output
    if extra_output:
        extra["outputDataConfig"] = extra_output
    return orjson.dumps(extra, option=orjson.OPT_SORT_KEYS).decode()


def _unknown(structure: Summary, known: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in structure.items() if name not in known}


def _name(summary: Summary) -> str:
    return f"Invocation {summary.get('invocationArn') or '(without an ARN)'}"
