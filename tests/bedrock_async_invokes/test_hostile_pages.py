"""Fuzzed pages: each value is what an oracle says it is, or the invocation is named.

More inputs: `pytest tests/bedrock_async_invokes/test_hostile_pages.py --hypothesis-profile soak`.
"""

import json
import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, target
from hypothesis import strategies as st

from bedrock_async_invokes.errors import ListingError, UnreadableInvocation
from bedrock_async_invokes.pages import page_of, read_page
from bedrock_async_invokes.records import digests, to_table
from tests import oracle
from tests.conftest import NOW
from tests.hostile import summary

ARN = summary(1)["invocationArn"]
NORMAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
"""What must be read wherever it is a time at all."""

ODD_DATES = [
    *("0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "2026-02-30", "2024-02-29"),
    *("2026-W01-1", "20260101", "2026", "26-01-01", "2026-1-1", "2026-001", "-001-01-01"),
]
ODD_NUMBERS = [
    *("-0", "-0.0", "1e22", "1E+3", "0.1", "0.1234567890123456789", "1e400", "-1e400", "5e-324"),
    *("18446744073709551616", "9" * 400, "9" * 5_000, "1e999999999999999999999", "1.0e-999"),
    *("253402300799", "253402300800", "-62135596800", "-62135596801", "1774828800.123456"),
]

digits = st.text("0123456789", max_size=12)
dates = st.one_of(
    st.datetimes().map(lambda time: f"{time:%Y}".zfill(4) + f"-{time:%m-%d}"),
    st.sampled_from(
        [
            "0000-01-01",
            "0001-01-01",
            "9999-12-31",
            "10000-01-01",
            "2026-02-30",
            "2024-02-29",
            "2026-W01-1",
            "20260101",
            "2026",
            "26-01-01",
            "2026-1-1",
            "2026-001",
            "-001-01-01",
        ]
    ),
)
hours = st.one_of(
    st.times().map(lambda time: f"{time:%H:%M:%S}"),
    st.sampled_from(["00:00:00", "23:59:59", "23:59:60", "24:00:00", "10:00", "10", "1000", ""]),
)
fractions = st.one_of(st.just(""), digits.map(".{}".format), digits.map(",{}".format))
zones = st.one_of(
    st.sampled_from(["Z", "z", "", "+14:00", "-12:00", "+00:00", "-00:00", "+02", "+0530"]),
    st.sampled_from(["+24:00", "-23:59", "+99:99", "+02:00:30", " EST", " GMT+3", "ZZ", " +02:00"]),
    st.tuples(st.sampled_from("+-"), st.times()).map(lambda each: f"{each[0]}{each[1]:%H:%M}"),
)
time_texts = st.one_of(
    st.builds("".join, st.tuples(dates, st.sampled_from("Tt _"), hours, fractions, zones)),
    st.datetimes().map(lambda time: time.isoformat() + "Z"),
    st.sampled_from(
        ["", "now", "May", "10:00", "nan", "-inf", "1e3", "1_000", "0", "soon", "٢٠٢٦"]
    ),
    st.text(max_size=20),
)
numbers = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(0, 4 * 10**9).map(str),
    st.sampled_from(ODD_NUMBERS),
)
odd_texts = st.one_of(
    st.text(),
    st.sampled_from(
        ["", "\0", "\x1f", "a\x1fb", "\x1b[31m", "\u202egnp.exe", "\ud83d", "😀", "\ufeff"]
    ),
)
texts = odd_texts.map(json.dumps) | odd_texts.filter(lambda text: text.isprintable()).map(
    lambda text: json.dumps(text, ensure_ascii=False)
)


def objects(values: st.SearchStrategy[str], names: st.SearchStrategy[str]) -> Any:
    """Objects as they are written: a name may come twice."""
    members = st.lists(st.tuples(names.map(json.dumps), values), max_size=6)
    return members.map(lambda each: "{" + ",".join(f"{name}:{value}" for name, value in each) + "}")


scalars = st.one_of(
    texts, numbers, st.sampled_from(["null", "true", "false", "NaN", "Infinity", "-Infinity"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: f"[{','.join(each)}]"),
        objects(inner, odd_texts),
    ),
    max_leaves=6,
)
good_arns = st.integers(1, 99).map(lambda number: json.dumps(summary(number)["invocationArn"]))
times = time_texts.map(json.dumps) | numbers
s3_outputs = objects(texts | anything, st.sampled_from([*oracle.S3_TEXTS, "new"]))
outputs = st.one_of(
    s3_outputs.map('{{"s3OutputDataConfig":{}}}'.format),
    st.tuples(s3_outputs, anything).map('{{"s3OutputDataConfig":{0[0]},"new":{0[1]}}}'.format),
    anything,
)


@st.composite
def summaries(draw: st.DrawFn) -> str:
    """A good summary, some of whose members are replaced, repeated or added."""
    good = {
        "invocationArn": draw(good_arns),
        "modelArn": json.dumps(summary(1)["modelArn"]),
        "submitTime": json.dumps(summary(1)["submitTime"]),
    }
    odd = draw(st.lists(st.one_of(*_members()), max_size=4))
    members = [*good.items(), *odd]
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members) + "}"


def _members() -> list[Any]:
    named = [st.tuples(st.just(name), times) for name in oracle.TIMES]
    named += [st.tuples(st.sampled_from(["status", "failureMessage", "clientRequestToken"]), texts)]
    named += [st.tuples(st.just("outputDataConfig"), outputs)]
    named += [st.tuples(st.text(max_size=5), anything)]
    named += [st.tuples(st.sampled_from([*oracle.TEXTS, *oracle.TIMES]), anything)]
    return named


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A page; now and then one that is broken somewhere."""
    listed = ",".join(draw(st.lists(summaries(), max_size=4)))
    tokens = st.sampled_from(["", "", '"nextToken":null,', '"nextToken":"",', '"new":[1],'])
    text = "{" + draw(tokens) + f'"asyncInvokeSummaries":[{listed}]' + "}"
    body = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 4)):
        return body
    at = draw(st.integers(0, len(body) - 1))
    until = draw(st.integers(at, min(len(body), at + 8)))
    return body[:at] + draw(st.binary(max_size=4)) + body[until:]


def rows_in(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table as the oracle has them."""
    for name in oracle.TIMES.values():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].cast(pa.int64()))
    rows = table.select(oracle.COLUMNS).to_pylist()
    return [row | {"extra": row["extra"] and oracle.parsed(row["extra"])} for row in rows]


def expected_rows(body: bytes) -> list[dict[str, Any]] | None:
    """None where no rows would be right."""
    try:
        return oracle.rows_of(body)
    except oracle.NotUnderstood:
        return None


def has_odd_times(body: bytes) -> bool:
    """Whether a time is one that the SDK reads, but that may be refused."""
    page = oracle.parsed(body)
    return any(
        isinstance(each.get(name), str) and not NORMAL.fullmatch(each[name])
        for each in page.get("asyncInvokeSummaries", [])
        for name in oracle.TIMES
    )


def table_or_line(listed: bytes | list[dict[str, Any]]) -> pa.Table | str:
    """What becomes of a body or of summaries: rows, or what they are refused with."""
    try:
        return to_table(read_page(listed) if isinstance(listed, bytes) else page_of(listed), NOW)
    except (ListingError, UnreadableInvocation) as error:
        return str(error)


@given(bodies())
@example(b'{"asyncInvokeSummaries":[{}]}')
@example(b'{"asyncInvokeSummaries":[],"\xcdextToken":"t"}')
@example(b'{"asyncInvokeSummaries":[],"\\qextToken":"t"}')
@example(b'{"asyncInvokeSummaries":[],"new":"\xff"}')
@example(b'{"asyncInvokeSummaries":[],"new":NaN}')
def test_a_page_is_read_as_it_is_or_refused(body: bytes) -> None:
    expected = expected_rows(body)
    target(float(expected is not None))
    table = table_or_line(body)
    if isinstance(table, str):
        assert table.startswith(("Invocation ", "A page of the listing "))
        assert expected is None or has_odd_times(body)
    else:
        assert rows_in(table) == expected


@given(time_texts)
@example("0000-01-01T00:00:00Z")
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59-12:00")
@example("2026-01-01T00:00:00.000000999Z")
@example("20260101")
@example("2026-01-01 10:00 EST")
@example("")
def test_a_text_is_the_time_that_botocore_reads_or_none(text: str) -> None:
    """Beside one that is cast with it, and beside one for which all are read one by one."""
    try:
        expected = oracle.microseconds(text)
    except oracle.NotUnderstood:
        expected = None
    for neighbour in ("2026-01-01T00:00:00Z", "2026-01-01"):
        table = table_or_line([summary(1, submitTime=text), summary(2, submitTime=neighbour)])
        if isinstance(table, str):
            assert table.startswith(f"Invocation {ARN}: submitTime is ")
            assert expected is None or not NORMAL.fullmatch(text)
        else:
            assert table["submit_time"].cast(pa.int64())[0].as_py() == expected is not None


@given(st.lists(st.lists(st.none() | st.text("ab\0\x1f", max_size=3), min_size=4, max_size=4)))
@example([["a\x1f", None, None, None], ["a", "", None, None]])
@example([["\0", None, None, None], [None, None, None, None], ["", None, None, None]])
@example([["a", "b\x1fc", None, None], ["a\x1fb", "c", None, None]])
def test_two_rows_that_differ_have_two_digests(rows: list[list[str | None]]) -> None:
    """Else a change would go unseen: whatever separates values may be in one, too."""
    names = ("clientRequestToken", "status", "failureMessage", "modelArn")
    listed = [dict(zip(names, row[:3], strict=False)) | {"modelArn": row[3] or "m"} for row in rows]
    table = to_table(page_of([summary(1) | row for row in listed]), NOW)
    distinct = {tuple(map(repr, row.values())) for row in listed}
    assert len(set(digests(table))) == len(distinct)


TYPES: dict[str, Any] = {"int": 7, "bool": True, "list": [1], "dict": {"a": 1}, "float": 1.5}


NUMBERS = {"int", "float"}
WRONG = [
    *((member, kind) for member in oracle.TEXTS for kind in TYPES),
    *((member, kind) for member in oracle.TIMES for kind in TYPES.keys() - NUMBERS),
    *(("outputDataConfig", kind) for kind in TYPES.keys() - {"dict"}),
]


@pytest.mark.parametrize(("member", "kind"), sorted(WRONG))
def test_a_member_of_another_type_is_named_with_its_invocation(member: str, kind: str) -> None:
    body = json.dumps({"asyncInvokeSummaries": [summary(2), summary(1) | {member: TYPES[kind]}]})
    with pytest.raises(UnreadableInvocation) as raised:
        to_table(read_page(body.encode()), NOW)
    name = "(without an ARN)" if member == "invocationArn" else ARN
    assert str(raised.value).startswith(f"Invocation {name}: {member} is ")


@pytest.mark.parametrize("member", oracle.S3_TEXTS)
@pytest.mark.parametrize("kind", TYPES)
def test_a_member_of_the_output_of_another_type_is_named(member: str, kind: str) -> None:
    output = {"s3OutputDataConfig": {member: TYPES[kind]}}
    body = json.dumps({"asyncInvokeSummaries": [summary(1, outputDataConfig=output)]})
    with pytest.raises(UnreadableInvocation, match=f"Invocation {ARN}: {member} is {kind}, not t"):
        to_table(read_page(body.encode()), NOW)


@pytest.mark.parametrize("member", ["invocationArn", "modelArn"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_cannot_be_told_apart_is_refused(member: str, value: str | None) -> None:
    with pytest.raises(UnreadableInvocation, match=f"listed without {member}"):
        to_table(page_of([summary(1) | {member: value}]), NOW)


def test_numbers_beyond_the_columns_keep_all_of_their_digits() -> None:
    written = (
        '{"new":[18446744073709551616,0.1234567890123456789,1E+400,1e22,0.1,-0.0,'
        "123456789012345678901234567890]}"
    )
    body = json.dumps({"asyncInvokeSummaries": [summary(1)]})[:-3] + ', "new"' + written[6:] + "]}"
    [row] = rows_in(to_table(read_page(body.encode()), NOW))
    assert repr(row["extra"]) == repr(oracle.parsed(written.replace("1e22", "1E+22")))


@pytest.mark.parametrize("depth", [100, 300, 970])
def test_what_is_nested_is_kept_or_refused(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    body = json.dumps({"asyncInvokeSummaries": [summary(1)]})[:-3] + f', "new": {nested}}}]}}'
    table = table_or_line(body.encode())
    if isinstance(table, str):
        assert "nested too deeply" in table
        assert depth == 970
    else:
        assert table["extra"].to_pylist() == [f'{{"new":{nested}}}']


def test_an_invocation_that_is_nested_too_deeply_is_named() -> None:
    """Deeper than any version of Python goes."""
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    line = table_or_line([summary(2), summary(1, new=nested)])
    assert line == f"Invocation {ARN}: what it has beyond its columns is nested too deeply."
