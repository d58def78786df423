"""How long the invocations take that were submitted in the window."""

from collections.abc import Iterator, Sequence

from bedrock_async_etl.check.facts import Survival
from bedrock_async_etl.check.quantities import show_seconds
from bedrock_async_etl.check.thresholds import Limits
from bedrock_async_etl.check.verdict import Finding, Outcome


def percentiles(survivals: Sequence[Survival], limits: Limits) -> Iterator[Finding]:
    """The 95th of each model, in which those that are still open have their part."""
    for each in survivals:
        limit = limits.of(each.model_id)
        if limit is not None:
            yield _percentile(each, limit)


def _percentile(survival: Survival, limit: float) -> Finding:
    outcome, text = _judged(survival, limit)
    counts = {"ended": survival.ended, "still_open": survival.still_open}
    return Finding(
        "p95",
        survival.model_id,
        outcome,
        f"{text}, {survival.ended:,} ended, {survival.still_open:,} open; "
        f"at most {show_seconds(limit)}",
        survival.p95,
        limit,
        survival.ended + survival.still_open,
        counts | {"longest": survival.longest},
    )


def _judged(survival: Survival, limit: float) -> tuple[Outcome, str]:
    """A curve that does not come down to 5 % has its p95 beyond the longest duration there is."""
    if survival.p95 is not None:
        return "breach" if survival.p95 > limit else "ok", show_seconds(survival.p95)
    least = f"at least {show_seconds(survival.longest)}"
    if survival.longest > limit:
        return "breach", least
    return "untold", f"cannot be told yet, {least}"
