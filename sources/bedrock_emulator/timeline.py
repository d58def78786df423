"""A seeded timeline of invocations that looks like the life of a video and search team."""

from datetime import datetime
from itertools import accumulate, product
from math import ceil, log
from random import Random
from typing import Any, NamedTuple

from .arns import partition_of
from .invocations import ID_ALPHABET, ID_LENGTH, ID_MARK, NEVER, Invocation, Key, summary_template
from .models import MODELS, Model
from .timestamps import DAY, HOUR, milliseconds

# Submissions per hour of the day (UTC), relative to each other.
DAILY_RHYTHM = (3, 2, 2, 2, 3, 5, 9, 15, 24, 30, 32, 31, 27, 30, 33, 32, 28, 22, 15, 11, 9, 7, 5, 4)
WEEKEND = 0.35
BATCH_RATE, LARGEST_BATCH = 0.04, 12
STRAGGLER_RATE = 0.005
NEVER_ENDING_RATE = 0.00005
BAD_DAY_HOURS = 6


class BadDay(NamedTuple):
    """A few hours in which one model mostly fails."""

    model: Model
    start: int
    end: int


def generate(
    account: str,
    region: str,
    count: int,
    start: datetime,
    end: datetime,
    seed: int,
    never_ending_rate: float = NEVER_ENDING_RATE,
    *,
    has_bad_day: bool = True,
) -> list[Invocation]:
    """Invocations submitted in ``[start, end)``, sorted; equal arguments give equal rows.

    Without a bad day no model fails more often on one day than on others.

    Raises ValueError for a negative count, times without a zone, an empty span, or a rate beyond
    0..1.
    """
    first, last = milliseconds(start), milliseconds(end)
    if count < 0 or first >= last:
        raise ValueError("populate needs a count of 0 or more and a start before its end")
    if not 0 <= never_ending_rate <= 1:
        raise ValueError(f"never_ending_rate must be between 0 and 1, not {never_ending_rate!r}")
    rng = Random(f"{seed}/{account}/{region}/{count}/{first}/{last}")
    keys = _keys(rng, _submit_times(rng, count, first, last))
    bad_day = plan_bad_day(rng, first, last)
    templates = _templates(account, region)
    rows = _run(rng, keys, templates, bad_day if has_bad_day else None)
    _delay_a_few(rng, rows, never_ending_rate)
    return rows


def _submit_times(rng: Random, count: int, first: int, last: int) -> list[int]:
    sizes = _batch_sizes(rng, count)
    hours = range(first - first % HOUR, last, HOUR)
    spans = [(max(hour, first), min(hour + HOUR, last)) for hour in hours]
    weights = [_activity(rng, hour) * (b - a) for hour, (a, b) in zip(hours, spans, strict=True)]
    submits = []
    for size, (a, b) in zip(sizes, rng.choices(spans, weights, k=len(sizes)), strict=True):
        submits.extend([a + int(rng.random() * (b - a))] * size)
    return sorted(submits)


def _batch_sizes(rng: Random, count: int) -> list[int]:
    sizes, left = [], count
    while left:
        size = rng.randint(2, LARGEST_BATCH) if rng.random() < BATCH_RATE else 1
        sizes.append(min(size, left))
        left -= sizes[-1]
    return sizes


def _activity(rng: Random, hour: int) -> float:
    # The epoch was a Thursday.
    weekend = (hour // DAY + 3) % 7 >= 5
    rhythm = DAILY_RHYTHM[hour % DAY // HOUR] * (WEEKEND if weekend else 1.0)
    return rhythm * rng.lognormvariate(0, 0.15)


def _keys(rng: Random, submits: list[int]) -> list[Key]:
    alphabet = (ID_ALPHABET * 8)[:256].encode()
    letters = rng.randbytes(ID_LENGTH * len(submits)).translate(alphabet).decode()
    ids = (letters[at : at + ID_LENGTH] for at in range(0, len(letters), ID_LENGTH))
    return sorted(zip(submits, ids, strict=True))


def plan_bad_day(rng: Random, first: int, last: int) -> BadDay:
    """Working hours of one day inside the span, or its middle third where no such day fits."""
    model = rng.choice([model for model in MODELS if model.weight >= 12])
    earliest, length = 9 * HOUR, BAD_DAY_HOURS * HOUR
    days = range(-(-(first - earliest) // DAY), (last - length - earliest) // DAY + 1)
    working_days = [day for day in days if (day + 3) % 7 < 5] or days
    if not working_days:
        third = (last - first) // 3
        return BadDay(model, first + third, last - third)
    start = rng.choice(working_days) * DAY + earliest
    return BadDay(model, start, start + length)


def _templates(account: str, region: str) -> list[list[str]]:
    """For each model the templates it draws from; repeated ones are the more common ones."""
    outputs, templates = _outputs(account, region), []
    for model in MODELS:
        tokens = (f"{model.purpose}-{ID_MARK}", f"nightly/{ID_MARK}", f"job-{ID_MARK}", None)
        pairs = product(outputs[model.purpose], tokens)
        templates.append(
            [summary_template(account, region, model.model_id, *pair) for pair in pairs]
        )
    return templates


def _outputs(account: str, region: str) -> dict[str, list[dict[str, Any]]]:
    videos = {"s3Uri": f"s3://video-renders-{account}-{region}/campaigns"}
    drafts = {"s3Uri": f"s3://video-renders-{account}-{region}/drafts/{ID_MARK}/"}
    vectors = {"s3Uri": f"s3://search-index-{account}-{region}/vectors"}
    key = f"arn:{partition_of(region)}:kms:{region}:{account}:key/"
    video_key = {"kmsKeyId": key + "5f0c1b9e-7a44-4c7e-9a53-0d3b6f2a8e11"}
    partner = {"s3Uri": "s3://partner-delivery/incoming", "bucketOwner": "999988887777"}
    return {
        "video": [videos, videos, drafts, videos | video_key, partner, partner | video_key],
        "embeddings": [vectors, vectors, vectors | {"kmsKeyId": key[:-4] + "alias/search"}],
    }


def _run(
    rng: Random, keys: list[Key], templates: list[list[str]], bad_day: BadDay | None
) -> list[Invocation]:
    """The invocation of each key; those of a batch share their model and template."""
    numbers = range(len(MODELS))
    weights = list(accumulate(model.weight for model in MODELS))
    rows, previous = [], None
    for submit, invocation_id in keys:
        if submit != previous:
            [number] = rng.choices(numbers, cum_weights=weights)
            model, template = MODELS[number], rng.choice(templates[number])
            previous = submit
        on_bad_day = (
            bad_day is not None and model is bad_day.model and bad_day.start <= submit < bad_day.end
        )
        latency, failure = model.draw(rng, on_bad_day=on_bad_day)
        end, message = submit + max(int(latency), 1), failure.message if failure else None
        rows.append(Invocation(submit, invocation_id, end, template, message))
    return rows


def _delay_a_few(rng: Random, rows: list[Invocation], never_ending_rate: float) -> None:
    """Stragglers take hours to days, and a few never end."""
    for row in rng.sample(rows, ceil(len(rows) * STRAGGLER_RATE)):
        hours = min(rng.lognormvariate(log(7), 1.1), 100)
        row.end = row.submit + int(max(hours, 1) * HOUR)
    for row in rng.sample(rows, ceil(len(rows) * never_ending_rate)):
        row.end = NEVER
