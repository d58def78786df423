"""Listed summaries as Arrow rows: each column, odd values, and what no contract knows."""

import json
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_async_invokes.columns import ASYNC_INVOKES
from bedrock_async_invokes.errors import UnreadableInvocation
from bedrock_async_invokes.failure_messages import stored_messages
from bedrock_async_invokes.options import FailureMessages
from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.records import (
    digests,
    is_open,
    submit_edges,
    to_table,
)

OBSERVED = datetime(2026, 3, 31, 12, tzinfo=UTC)
ARN = "arn:aws:bedrock:us-east-1:111122223333:async-invoke/abcdefghijkl"
NOVA = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-reel-v1:1"


def summary(**members: Any) -> dict[str, Any]:
    return {
        "invocationArn": ARN,
        "modelArn": NOVA,
        "status": "Completed",
        "submitTime": "2026-03-30T23:59:59.999Z",
        **members,
    }


def row_of(**members: Any) -> dict[str, Any]:
    [row] = table_of(members).to_pylist()
    return dict(row)


def table_of(*each: dict[str, Any]) -> pa.Table:
    return to_table(page_of([summary(**members) for members in each]), OBSERVED)


def test_columns_are_those_of_the_contract() -> None:
    time = pa.timestamp("us", tz="UTC")
    assert [(each.name, each.type, each.nullable) for each in ASYNC_INVOKES.schema] == [
        ("invocation_arn", pa.string(), False),
        ("account_id", pa.string(), True),
        ("region", pa.string(), True),
        ("invocation_id", pa.string(), True),
        ("model_arn", pa.string(), False),
        ("model_id", pa.string(), True),
        ("model_provider", pa.string(), True),
        ("client_request_token", pa.string(), True),
        ("status", pa.string(), True),
        ("failure_message", pa.string(), True),
        ("submit_time", time, True),
        ("last_modified_time", time, True),
        ("end_time", time, True),
        ("submit_date", pa.date32(), True),
        ("output_s3_uri", pa.string(), True),
        ("output_kms_key_id", pa.string(), True),
        ("output_bucket_owner", pa.string(), True),
        ("extra", pa.string(), True),
        ("observed_at", time, True),
    ]


def test_a_failed_invocation_fills_all_columns() -> None:
    assert row_of(
        clientRequestToken="token",
        status="Failed",
        failureMessage="It failed.",
        lastModifiedTime="2026-03-31T00:10:00Z",
        endTime="2026-03-31T00:10:00.5Z",
        outputDataConfig={
            "s3OutputDataConfig": {
                "s3Uri": "s3://bucket/prefix",
                "kmsKeyId": "arn:aws:kms:us-east-1:111122223333:key/k",
                "bucketOwner": "444455556666",
            }
        },
    ) == {
        "invocation_arn": ARN,
        "account_id": "111122223333",
        "region": "us-east-1",
        "invocation_id": "abcdefghijkl",
        "model_arn": NOVA,
        "model_id": "amazon.nova-reel-v1:1",
        "model_provider": "amazon",
        "client_request_token": "token",
        "status": "Failed",
        "failure_message": "It failed.",
        "submit_time": datetime(2026, 3, 30, 23, 59, 59, 999_000, UTC),
        "last_modified_time": datetime(2026, 3, 31, 0, 10, tzinfo=UTC),
        "end_time": datetime(2026, 3, 31, 0, 10, 0, 500_000, UTC),
        "submit_date": date(2026, 3, 30),
        "output_s3_uri": "s3://bucket/prefix",
        "output_kms_key_id": "arn:aws:kms:us-east-1:111122223333:key/k",
        "output_bucket_owner": "444455556666",
        "extra": None,
        "observed_at": OBSERVED,
    }


def test_no_summaries_are_an_empty_table() -> None:
    assert to_table(page_of([]), OBSERVED) == ASYNC_INVOKES.schema.empty_table()


@pytest.mark.parametrize(
    ("arn", "parts"),
    [
        (
            "arn:aws-us-gov:bedrock:us-gov-west-1:111122223333:async-invoke/aaaaaaaaaaaa",
            ("111122223333", "us-gov-west-1", "aaaaaaaaaaaa"),
        ),
        (
            "arn:aws-cn:bedrock:cn-north-1:111122223333:async-invoke/aaaaaaaaaaaa",
            ("111122223333", "cn-north-1", "aaaaaaaaaaaa"),
        ),
        ("arn:aws:bedrock:us-east-1:1:async-invoke/aaaaaaaaaaaa", (None, None, None)),
        ("anything", (None, None, None)),
    ],
)
def test_an_arn_is_parsed_in_any_partition_and_kept_where_malformed(
    arn: str, parts: tuple[str | None, ...]
) -> None:
    row = row_of(invocationArn=arn)
    assert row["invocation_arn"] == arn
    assert (row["account_id"], row["region"], row["invocation_id"]) == parts


@pytest.mark.parametrize("invocation_id", ["a:b", "a/b", ""])
def test_an_arn_is_malformed_whatever_is_beside_it(invocation_id: str) -> None:
    head, _, good = ARN.rpartition("/")
    table = table_of({}, {"invocationArn": f"{head}/{invocation_id}"}, {})
    assert table["invocation_id"].to_pylist() == [good, None, good]
    assert table["account_id"].to_pylist() == ["111122223333", None, "111122223333"]
    assert table["region"].to_pylist() == ["us-east-1", None, "us-east-1"]


@pytest.mark.parametrize(
    ("model_arn", "model_id", "provider"),
    [
        ("arn:aws:bedrock:us-east-1::foundation-model/luma.ray-v2:0", "luma.ray-v2:0", "luma"),
        ("arn:aws:bedrock:us-east-1:111122223333:provisioned-model/abc1", "abc1", None),
        ("amazon.nova-reel-v1:0", "amazon.nova-reel-v1:0", None),
    ],
)
def test_the_model_is_the_last_part_of_its_arn(
    model_arn: str, model_id: str, provider: str | None
) -> None:
    row = row_of(modelArn=model_arn)
    assert (row["model_id"], row["model_provider"]) == (model_id, provider)


@pytest.mark.parametrize(
    ("listed", "stored"),
    [
        ("2026-03-30T00:00:00Z", datetime(2026, 3, 30, tzinfo=UTC)),
        ("2026-03-30T00:00:00.123456Z", datetime(2026, 3, 30, 0, 0, 0, 123_456, UTC)),
        ("2026-03-30T00:00:00.123456789Z", datetime(2026, 3, 30, 0, 0, 0, 123_456, UTC)),
        ("2026-03-30T02:00:00+02:00", datetime(2026, 3, 30, tzinfo=UTC)),
        ("2026-03-30T00:00:00", datetime(2026, 3, 30, tzinfo=UTC)),
        (1774828800.5, datetime(2026, 3, 30, 0, 0, 0, 500_000, UTC)),
        (None, None),
    ],
)
def test_times_are_read_as_botocore_reads_them(listed: Any, stored: datetime | None) -> None:
    assert row_of(submitTime=listed)["submit_time"] == stored


def test_members_that_no_contract_knows_are_kept_where_they_were() -> None:
    row = row_of(
        priority={"tier": 2},
        outputDataConfig={
            "s3OutputDataConfig": {"s3Uri": "s3://b/p", "storageClass": "STANDARD_IA"},
            "efsOutputDataConfig": {"path": "/p"},
        },
    )
    assert row["output_s3_uri"] == "s3://b/p"
    assert row["extra"] == (
        '{"outputDataConfig":{"efsOutputDataConfig":{"path":"/p"},'
        '"s3OutputDataConfig":{"storageClass":"STANDARD_IA"}},"priority":{"tier":2}}'
    )


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"status": 5}, f"Invocation {ARN}: status is int, not text."),
        ({"submitTime": "soon"}, f"Invocation {ARN}: submitTime is 'soon', not a time."),
        (
            {"outputDataConfig": "s3"},
            f"Invocation {ARN}: outputDataConfig is str, not a structure.",
        ),
        ({"modelArn": None}, f"Invocation {ARN}: listed without modelArn."),
        ({"modelArn": ""}, f"Invocation {ARN}: listed without modelArn."),
        (
            {"invocationArn": None},
            "Invocation (without an ARN): listed without invocationArn.",
        ),
    ],
)
def test_what_cannot_be_understood_names_the_invocation(
    members: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UnreadableInvocation) as raised:
        row_of(**members)
    assert str(raised.value) == complaint


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"status": "InProgress"}, True),
        ({"status": "Completed"}, False),
        ({"status": "Failed"}, False),
        ({"status": None}, True),
        ({"status": "Queued"}, True),
        ({"status": "Cancelled", "endTime": "2026-03-31T00:00:00Z"}, False),
        ({"status": "InProgress", "endTime": "2026-03-31T00:00:00Z"}, True),
        ({"status": None, "endTime": "2026-03-31T00:00:00Z"}, False),
    ],
)
def test_what_is_listed_as_not_ended_is_open(members: dict[str, Any], expected: bool) -> None:
    assert is_open(to_table(page_of([summary(**members)]), OBSERVED)).to_pylist() == [expected]


def test_a_digest_tells_any_change_but_not_when_it_was_seen() -> None:
    def digest(observed: datetime = OBSERVED, **members: Any) -> str:
        return digests(to_table(page_of([summary(**members)]), observed))[0]

    assert digest() == digest(datetime(2027, 1, 1, tzinfo=UTC))
    assert len(digest()) == 64 // 4
    changed: list[dict[str, Any]] = [
        {"status": "Failed"},
        {"failureMessage": ""},
        {"endTime": "2026-03-31T00:00:00Z"},
        {"lastModifiedTime": "2026-03-31T00:00:00Z"},
        {"submitTime": "2026-03-30T23:59:59.998Z"},
        {"new": None},
    ]
    assert len({digest(), *(digest(**members) for members in changed)}) == len(changed) + 1


@pytest.mark.parametrize("message", ["a\x1fb", "\x00"])
def test_a_digest_does_not_depend_on_what_is_beside_its_row(message: str) -> None:
    """Also where a value has what separates values, or is what stands for none."""
    rows = [{}, {"failureMessage": message}, {"status": "Failed"}]
    alone = [digests(table_of(row))[0] for row in rows]
    assert digests(table_of(*rows)) == alone
    assert len(set(alone)) == 3


@pytest.mark.parametrize("model", [None, ""])
def test_of_several_invocations_the_one_that_lacks_something_is_named(model: str | None) -> None:
    with pytest.raises(UnreadableInvocation, match=r"^Invocation second: listed without modelArn"):
        table_of(
            {"invocationArn": "first"},
            {"invocationArn": "second", "modelArn": model},
            {"invocationArn": "third"},
        )


def test_none_is_no_time_beside_one_that_has_nanoseconds() -> None:
    times = table_of({"endTime": "2026-03-01T00:00:00.123456789Z"}, {"endTime": None})["end_time"]
    assert times.to_pylist() == [datetime(2026, 3, 1, 0, 0, 0, 123456, UTC), None]


def test_edges_are_those_of_the_rows_that_have_a_time() -> None:
    times = ["2026-03-01T00:00:01Z", None, "2026-03-01T00:00:00Z"]
    first = 1_772_323_200_000_000
    assert submit_edges(table_of(*({"submitTime": time} for time in times))) == (
        first,
        first + 1_000_000,
    )
    assert submit_edges(table_of({"submitTime": None})) == (None, None)


def test_tables_have_the_schema_whatever_is_missing() -> None:
    bare = {"invocationArn": ARN, "modelArn": NOVA}
    table = to_table(page_of([bare, summary()]), OBSERVED)
    assert table.schema == ASYNC_INVOKES.schema
    assert isinstance(table, pa.Table)


@pytest.mark.parametrize(
    ("message", "category"),
    [
        ("The generated video was blocked by our content filters.", "content_filter_output"),
        ("The prompt was blocked by our content filters.", "content_filter_input"),
        ("Access Denied writing to S3 bucket b.", "storage_access"),
        ("An internal server error occurred.", "internal_error"),
        ("Something else.", "unknown"),
    ],
)
def test_redacting_keeps_the_category_and_a_hash(message: str, category: str) -> None:
    first, other, again = stored_messages(pa.array([message, message + "!", message]), "redact")
    assert first.as_py().startswith(f"redacted:{category}:")
    assert first == again != other
    assert message not in first.as_py()


def test_messages_are_kept_or_dropped_as_asked() -> None:
    messages = pa.array(["text", None])
    assert stored_messages(messages, "keep").to_pylist() == ["text", None]
    assert stored_messages(messages, "drop").to_pylist() == [None, None]
    assert stored_messages(messages, "redact").to_pylist()[1] is None


def extra_of(treatment: FailureMessages, **members: Any) -> str | None:
    [extra] = to_table(page_of([summary(**members)]), OBSERVED, treatment)["extra"].to_pylist()
    return str(extra) if extra is not None else None


def test_text_in_members_that_no_contract_knows_is_redacted_or_dropped() -> None:
    said = 'She said: "a:b", \\ and \n\u2028: stop.'
    members = {
        "newReason": {"text": said, "code": 5, "isFinal": True, "none": None, "empty": ""},
        'odd"name:': [said, 1.50, [], {}],
        "outputDataConfig": {"s3OutputDataConfig": {"storageClass": "x"}},
    }
    redacted = "redacted:" + sha256(said.encode()).hexdigest()[:16]
    other = "redacted:" + sha256(b"x").hexdigest()[:16]
    assert extra_of("redact", **members) == (
        f'{{"newReason":{{"code":5,"empty":"","isFinal":true,"none":null,"text":"{redacted}"}},'
        f'"odd\\"name:":["{redacted}",1.5,[],{{}}],'
        f'"outputDataConfig":{{"s3OutputDataConfig":{{"storageClass":"{other}"}}}}}}'
    )
    assert extra_of("drop", **members) == (
        '{"newReason":{"code":5,"empty":null,"isFinal":true,"none":null,"text":null},'
        '"odd\\"name:":[null,1.5,[],{}],'
        '"outputDataConfig":{"s3OutputDataConfig":{"storageClass":null}}}'
    )
    assert extra_of("redact") is extra_of("drop") is None


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers(0, 9) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ),
        min_size=1,
    )
)
def test_whatever_the_members_are_only_their_texts_are_replaced(members: dict[str, Any]) -> None:
    def without_texts(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without_texts(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [without_texts(inner) for inner in value]
        return None if isinstance(value, str) else value

    extra = extra_of("drop", new=members)
    assert json.loads(extra or "null") == {"new": without_texts(members)}
