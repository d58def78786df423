"""The failure rates of the invocations that were submitted in the window."""

from collections.abc import Iterator, Sequence

from bedrock_async_etl.check.facts import Outcomes
from bedrock_async_etl.check.intervals import wilson
from bedrock_async_etl.check.quantities import show_share
from bedrock_async_etl.check.thresholds import Limits
from bedrock_async_etl.check.verdict import ALL, ALL_OTHERS, Finding


def failure_rates(
    outcomes: Sequence[Outcomes], limits: Limits, *, is_strict: bool
) -> Iterator[Finding]:
    """Of each model, and once more of all under the general threshold.

    Many small samples together can be proof where none of them is.
    """
    for each in outcomes:
        limit = limits.of(each.model_id)
        if limit is not None:
            yield _failure_rate(each, limit, is_strict)
    others = [each for each in outcomes if each.model_id not in limits.by_model]
    if limits.general is not None and len(others) > 1:
        together = Outcomes(
            ALL if len(others) == len(outcomes) else ALL_OTHERS,
            sum(each.terminal for each in others),
            sum(each.failed for each in others),
        )
        yield _failure_rate(together, limits.general, is_strict)


def _failure_rate(outcomes: Outcomes, limit: float, is_strict: bool) -> Finding:
    subject, failed, terminal = outcomes.model_id, outcomes.failed, outcomes.terminal
    if not terminal:
        return Finding("failure_rate", subject, "untold", "none has ended", None, limit, 0)
    rate = failed / terminal
    low, high = wilson(failed, terminal)
    is_proven = low > limit or (is_strict and rate > limit)
    is_doubtful = rate > limit and not is_proven
    text = (
        f"{show_share(rate)} ({show_share(low)} to {show_share(high)}), "
        f"{failed:,} of {terminal:,} failed; at most {show_share(limit)}"
    )
    if is_doubtful:
        text += f": above the threshold, but {failed:,} of {terminal:,} is too few to tell"
    return Finding(
        "failure_rate",
        subject,
        "breach" if is_proven else "untold" if is_doubtful else "ok",
        text,
        rate,
        limit,
        terminal,
        {"low": low, "high": high, "failed": failed, "terminal": terminal},
    )
