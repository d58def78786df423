"""How old is what is open, what was loaded, and what was modelled."""

from collections.abc import Iterator, Sequence

from bedrock_async_etl.check.facts import Facts, OpenInvocations, ScopeRuns
from bedrock_async_etl.check.quantities import show_duration
from bedrock_async_etl.check.thresholds import Limits
from bedrock_async_etl.check.verdict import ALL, Finding, Outcome


def open_ages(still_open: Sequence[OpenInvocations], limits: Limits) -> Iterator[Finding]:
    """Of each model that has open invocations, whenever they were submitted."""
    judged = [
        _open_age(each, limit)
        for each in still_open
        if (limit := limits.of(each.model_id)) is not None
    ]
    yield from judged
    if limits and not judged:
        yield Finding("open_age", ALL, "ok", "none is open", None, limits.general, 0)


def _open_age(still_open: OpenInvocations, limit: float) -> Finding:
    oldest, most = show_duration(still_open.oldest_age), show_duration(limit)
    count = f"{still_open.still_open:,}"
    text = f"{count} open, the oldest for {oldest}; at most {most}"
    if still_open.too_old:
        text = (
            f"{still_open.too_old:,} of {count} open for longer than {most}, "
            f"the oldest for {oldest}: {still_open.oldest_arn}"
        )
    return Finding(
        "open_age",
        still_open.model_id,
        "breach" if still_open.too_old else "ok",
        text,
        still_open.oldest_age,
        limit,
        still_open.still_open,
        {"too_old": still_open.too_old, "oldest_arn": still_open.oldest_arn},
    )


def lags(facts: Facts, limit: float, now: float) -> Iterator[Finding]:
    """Of each scope, and of the models: the other rules see no further than these do."""
    for each in facts.runs:
        yield _lag(each, limit, now)
    if facts.modelled_at is not None:
        outcome, age, ago = _judged(facts.modelled_at, limit, now)
        remedy = ": rebuild them with `models`" if outcome == "breach" else ""
        text = f"they were built from what was loaded {ago}{remedy}"
        yield Finding("lag", "the models", outcome, text, age, limit)


def _lag(runs: ScopeRuns, limit: float, now: float) -> Finding:
    is_failing = runs.last_outcome != "ok"
    error = " ".join(runs.last_error.split()) if is_failing else None
    evidence = {"last_success_at": runs.last_success_at, "last_error": error}
    told = f"; the last run failed: {error}" if is_failing else ""
    if runs.loaded_at is None:
        text = f"no run was ever good{told}"
        return Finding("lag", runs.scope, "breach", text, None, limit, None, evidence)
    outcome, age, ago = _judged(runs.loaded_at, limit, now)
    text = f"the last good run was {ago}{told}"
    return Finding("lag", runs.scope, outcome, text, age, limit, None, evidence)


def _judged(loaded_at: float, limit: float, now: float) -> tuple[Outcome, float, str]:
    age = max(now - loaded_at, 0)
    ago = f"{show_duration(age)} ago; at most {show_duration(limit)}"
    return "breach" if age > limit else "ok", age, ago
