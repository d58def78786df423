"""The generated timeline: the same for the same seed, and like life."""

from collections import Counter
from datetime import UTC, datetime
from random import Random
from statistics import median
from typing import Any

import orjson
import pytest

from bedrock_emulator.arns import model_arn
from bedrock_emulator.invocations import NEVER, Invocation, Invocations
from bedrock_emulator.models import MODELS
from bedrock_emulator.timeline import BadDay, generate, plan_bad_day
from bedrock_emulator.timestamps import DAY as DAY_MILLISECONDS
from bedrock_emulator.timestamps import HOUR as HOUR_MILLISECONDS
from bedrock_emulator.timestamps import milliseconds, to_datetime

from .wire import ACCOUNT, DAY, HOUR, NOW, REGION

START, END = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 19, tzinfo=UTC)
LONG_AFTER = milliseconds(END + 300 * DAY)


def timeline(**changed: Any) -> list[Invocation]:
    """Two weeks of 40,000 invocations, or with other arguments."""
    usual = {"seed": 7, "account": ACCOUNT, "region": REGION, "count": 40_000}
    return generate(**{**usual, "start": START, "end": END, **changed})


def summaries(rows: list[Invocation], now: int = LONG_AFTER) -> list[dict[str, Any]]:
    """All rows as they are listed at an instant."""
    return [orjson.loads(row.summary(now, unknown_members=False)) for row in rows]


@pytest.fixture(scope="module")
def rows() -> list[Invocation]:
    """The usual timeline."""
    return timeline()


@pytest.fixture(scope="module")
def listed(rows: list[Invocation]) -> list[dict[str, Any]]:
    """The usual timeline long after, when all that ends has ended."""
    return summaries(rows)


def test_equal_arguments_give_equal_rows() -> None:
    """And any other argument gives other invocations."""
    small = {"count": 500}
    expected = summaries(timeline(**small))

    assert summaries(timeline(**small)) == expected
    for other in (
        {"seed": 8},
        {"account": "999999999999"},
        {"region": "eu-west-1"},
        {"start": START - HOUR},
        {"end": END + HOUR},
    ):
        ids = {row["invocationArn"][-12:] for row in summaries(timeline(**small, **other))}
        assert ids.isdisjoint(row["invocationArn"][-12:] for row in expected)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 500])
@pytest.mark.parametrize("span", [HOUR / 3_600_000, HOUR, DAY, 30 * DAY])
def test_it_has_as_many_rows_as_asked_in_the_span(count: int, span: Any) -> None:
    """In ``[start, end)``, sorted by submit time and id, each id once."""
    rows = timeline(count=count, start=NOW, end=NOW + span)
    keys = [row.key for row in rows]

    assert keys == sorted(keys)
    assert len(rows) == len({row.id for row in rows}) == count
    assert all(NOW <= row.submitted_at < NOW + span for row in rows)
    assert all(row.end > row.submit for row in rows)


def test_an_impossible_span_is_refused() -> None:
    """An empty span, a negative count, a time without a zone, a rate beyond 1."""
    naive = {"start": datetime(2026, 1, 1)}
    for wrong in ({"end": START}, {"count": -1}, naive, {"never_ending_rate": 1.5}):
        with pytest.raises(ValueError, match=r"before its end|time zone|between 0 and 1"):
            timeline(**wrong)


def test_batches_share_a_millisecond(rows: list[Invocation]) -> None:
    """Ties are common, and some are large."""
    sizes = Counter(Counter(row.submit for row in rows).values())

    assert sum(count for size, count in sizes.items() if size > 1) > 500
    assert max(sizes) >= 10


def test_every_model_has_its_own_latency_and_failures(listed: list[dict[str, Any]]) -> None:
    """Seven models, one of them provisioned; each median near its own, each failing at times."""
    for model in MODELS:
        arn = model_arn(model.model_id, ACCOUNT, REGION)
        of_model = [row for row in listed if row["modelArn"] == arn]
        latencies = [_seconds(row) for row in of_model if row["status"] == "Completed"]
        failed = [row for row in of_model if row["status"] == "Failed"]

        assert median(latencies) == pytest.approx(model.median_seconds, rel=0.1)
        assert 0 < len(failed) < len(of_model) / 4
        assert len({row["failureMessage"] for row in failed}) >= 2
    assert len({row["modelArn"] for row in listed}) == 7


def test_some_failures_are_quicker_than_a_success(listed: list[dict[str, Any]]) -> None:
    """A rejected input fails in a small part of the time that the model takes."""
    [model] = [model for model in MODELS if model.model_id == "luma.ray-v2:0"]
    of_model = [row for row in listed if row["modelArn"].endswith(model.model_id)]
    rejected = [
        _seconds(row) for row in of_model if "input prompt" in row.get("failureMessage", "")
    ]

    assert len(rejected) > 20
    assert median(rejected) == pytest.approx(0.08 * model.median_seconds, rel=0.3)


def _seconds(row: dict[str, Any]) -> float:
    end, submit = (datetime.fromisoformat(row[name]) for name in ("endTime", "submitTime"))
    return (end - submit).total_seconds()


def test_days_are_busier_than_nights_and_weekends(rows: list[Invocation]) -> None:
    """Ten in the morning against three at night, Tuesday against Sunday."""
    hours = Counter(row.submitted_at.hour for row in rows)
    weekdays = Counter(row.submitted_at.weekday() for row in rows)

    assert hours[10] > 5 * hours[3]
    assert weekdays[1] > 2 * weekdays[6]


def bad_hours(listed: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Models and hours in which most of 20 invocations or more failed."""
    ended, failed = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in listed:
        hour = row["modelArn"], row["submitTime"][:13]
        ended[hour] += 1
        failed[hour] += row["status"] == "Failed"
    return {hour for hour, count in ended.items() if count >= 20 and failed[hour] > count / 2}


def test_one_day_one_model_mostly_fails(listed: list[dict[str, Any]]) -> None:
    """The worst hours of a model are far beyond its usual rate, and of one day alone."""
    bad = bad_hours(listed)

    assert 3 <= len(bad) <= 6
    assert len({(model, hour[:10]) for model, hour in bad}) == 1


def test_there_may_be_no_bad_day() -> None:
    assert not bad_hours(summaries(timeline(has_bad_day=False)))


def test_the_bad_day_is_a_working_day_inside_the_span() -> None:
    """Nine to three, or the middle of a span that is too short for it."""
    first = milliseconds(START)
    for seed in range(20):
        bad_day = plan_bad_day(Random(seed), first, milliseconds(END))
        day = to_datetime(bad_day.start)
        assert day.weekday() < 5
        assert START <= day < to_datetime(bad_day.end) <= END
        assert (day.hour, bad_day.end - bad_day.start) == (9, 6 * HOUR_MILLISECONDS)

    short = plan_bad_day(Random(1), first, first + 3 * HOUR_MILLISECONDS)
    span = first + HOUR_MILLISECONDS, first + 2 * HOUR_MILLISECONDS
    assert short == BadDay(short.model, *span)


def test_a_few_take_hours_to_days_and_a_few_never_end(rows: list[Invocation]) -> None:
    """About one in 200 takes more than an hour; some but not many never end."""
    latencies = [row.end - row.submit for row in rows]
    never = sum(row.end == NEVER for row in rows)
    long = sum(HOUR_MILLISECONDS < latency < 10**12 for latency in latencies)
    days = sum(DAY_MILLISECONDS < latency < 10**12 for latency in latencies)

    assert 2 <= never <= 10
    assert 0.004 < long / len(rows) < 0.02
    assert days >= 5


@pytest.mark.parametrize(("rate", "never"), [(0, 0), (0.1, 50), (1, 500)])
def test_as_many_never_end_as_asked_for(rate: float, never: int) -> None:
    """None, some, or all."""
    rows = timeline(count=500, never_ending_rate=rate)
    assert sum(row.end == NEVER for row in rows) == never


def test_outputs_have_all_three_fields(listed: list[dict[str, Any]]) -> None:
    """The URI always, a key and another owner of the bucket at times; mostly a request token."""
    outputs = [row["outputDataConfig"]["s3OutputDataConfig"] for row in listed]
    combinations = {frozenset(output) for output in outputs}
    tokens = [row["clientRequestToken"] for row in listed if "clientRequestToken" in row]

    assert combinations == {
        frozenset({"s3Uri"}),
        frozenset({"s3Uri", "kmsKeyId"}),
        frozenset({"s3Uri", "bucketOwner"}),
        frozenset({"s3Uri", "kmsKeyId", "bucketOwner"}),
    }
    assert 0.6 < len(tokens) / len(listed) < 0.9
    assert len(set(tokens)) == len(tokens)


def test_adding_timelines_keeps_the_order_and_every_row() -> None:
    """Two overlapping timelines are one, with each row's own content."""
    one = timeline(count=300, start=START, end=START + 2 * DAY)
    other = timeline(count=300, start=START + DAY, end=START + 3 * DAY)
    expected = sorted(
        summaries(one) + summaries(other),
        key=lambda row: (row["submitTime"], row["invocationArn"]),
    )

    invocations = Invocations(ACCOUNT, REGION)
    invocations.add_all(one)
    invocations.add_all(other)

    assert summaries(invocations.rows) == expected


def test_the_same_timeline_twice_is_refused() -> None:
    """And nothing changes."""
    invocations = Invocations(ACCOUNT, REGION)
    invocations.add_all(timeline(count=50))
    before = summaries(invocations.rows)

    with pytest.raises(ValueError, match="choose another seed"):
        invocations.add_all(timeline(count=50))

    assert summaries(invocations.rows) == before


def test_every_row_can_be_found_by_its_arn() -> None:
    """And what is not an ARN of theirs is not found."""
    rows, invocations = timeline(count=500), Invocations(ACCOUNT, REGION)
    invocations.add_all(rows)
    prefix = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/"
    assert all(invocations.find(prefix + row.id) is row for row in rows)
    for arn in (prefix + "short", prefix, rows[5].id):
        assert invocations.find(arn) is None
