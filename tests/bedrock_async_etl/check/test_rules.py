"""What is a breach, and what is not: each threshold from both sides."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bedrock_async_etl.check.facts import Facts, OpenInvocations, Outcomes, ScopeRuns, Survival
from bedrock_async_etl.check.rules import judge
from bedrock_async_etl.check.thresholds import Limits, Thresholds
from bedrock_async_etl.check.verdict import Finding

NOW = datetime(2026, 3, 31, 18, tzinfo=UTC)
REEL, RAY = "amazon.nova-reel-v1:1", "luma.ray-v2:0"
FACTS = Facts(
    since=NOW - timedelta(days=1),
    until=NOW,
    newest=NOW - timedelta(minutes=1),
    model_ids=frozenset({REEL, RAY}),
)


def findings(facts: Facts, thresholds: Thresholds) -> dict[tuple[str, str], Finding]:
    """By rule and subject."""
    verdict = judge(facts, thresholds, NOW)
    return {(finding.rule, finding.subject): finding for finding in verdict.findings}


def rates(
    *outcomes: Outcomes,
    general: float | None = 0.05,
    by_model: Mapping[str, float] | None = None,
    is_strict: bool = False,
) -> dict[str, str]:
    """The outcome of each subject's failure rate."""
    limits = Limits(general, by_model or {})
    thresholds = Thresholds(failure_rate=limits, is_strict=is_strict)
    found = findings(replace(FACTS, outcomes=outcomes), thresholds)
    return {subject: finding.outcome for (_, subject), finding in found.items()}


def p95(survival: Survival, limit: float = 600) -> Finding:
    found = findings(
        replace(FACTS, survivals=[survival], outcomes=[Outcomes(REEL, 1, 0)]),
        Thresholds(p95=Limits(limit)),
    )
    return found["p95", REEL]


def lag(runs: ScopeRuns, limit: float = 3_600) -> Finding:
    return findings(replace(FACTS, runs=[runs]), Thresholds(lag=limit))["lag", runs.scope]


def good_run(age_seconds: float) -> ScopeRuns:
    return ScopeRuns("1/us-east-1", NOW.timestamp() - age_seconds, NOW, "ok", "")


@pytest.mark.parametrize(
    ("failed", "careful", "strict"),
    [
        (50, "ok", "ok"),
        (51, "untold", "breach"),
        (63, "untold", "breach"),
        (64, "breach", "breach"),
    ],
)
def test_a_failure_rate_is_a_breach_once_its_interval_is_above_the_threshold(
    failed: int, careful: str, strict: str
) -> None:
    outcomes = Outcomes(REEL, 1_000, failed)
    assert rates(outcomes) == {REEL: careful}
    assert rates(outcomes, is_strict=True) == {REEL: strict}


def test_few_failures_of_few_are_said_to_be_too_few() -> None:
    facts = replace(FACTS, outcomes=[Outcomes(REEL, 8, 1)])
    found = findings(facts, Thresholds(failure_rate=Limits(0.1)))["failure_rate", REEL]
    assert (found.outcome, found.value, found.threshold, found.sample_size) == (
        "untold",
        0.125,
        0.1,
        8,
    )
    assert found.text == (
        "12.5 % (2.24 % to 47.09 %), 1 of 8 failed; at most 10 %: "
        "above the threshold, but 1 of 8 is too few to tell"
    )


def test_many_small_samples_together_are_proof_where_none_is() -> None:
    outcomes = [Outcomes(f"model-{number}", 20, 2) for number in range(10)]
    found = rates(*outcomes)
    assert found.pop("all models together") == "breach"
    assert set(found.values()) == {"untold"}


def test_a_model_with_a_threshold_of_its_own_is_held_to_that_alone() -> None:
    reel, ray, other = Outcomes(REEL, 100, 20), Outcomes(RAY, 100, 0), Outcomes("other", 100, 0)
    assert rates(reel, ray, other, by_model={REEL: 0.3}) == {
        REEL: "ok",
        RAY: "ok",
        "other": "ok",
        "all other models together": "ok",
    }
    assert rates(reel, ray, other, general=None, by_model={REEL: 0.1}) == {REEL: "breach"}


def test_a_rate_without_any_that_ended_is_untold() -> None:
    both = rates(Outcomes(REEL, 0, 0), Outcomes(RAY, 10, 0))
    assert both == {REEL: "untold", RAY: "ok", "all models together": "ok"}


def test_all_that_failed_are_above_every_threshold_but_the_whole() -> None:
    assert rates(Outcomes(REEL, 50, 50), general=0.9) == {REEL: "breach"}
    assert rates(Outcomes(REEL, 50, 50), general=1, is_strict=True) == {REEL: "ok"}


@pytest.mark.parametrize(("seconds", "outcome"), [(600, "ok"), (600.001, "breach")])
def test_a_p95_is_a_breach_above_its_threshold(seconds: float, outcome: str) -> None:
    assert p95(Survival(REEL, 100, 2, seconds, 5_000)).outcome == outcome


def test_a_p95_line_says_how_many_have_ended_and_how_many_are_open() -> None:
    finding = p95(Survival(REEL, 1_100, 2, 700.25, 5_000))
    assert finding.line == (
        "p95 of amazon.nova-reel-v1:1: 700.2 s, 1,100 ended, 2 open; at most 600 s"
    )
    assert finding.sample_size == 1_102


def test_where_the_curve_ends_early_the_longest_duration_is_what_p95_is_at_least() -> None:
    beyond = p95(Survival(REEL, 1, 9, None, 601))
    assert (beyond.outcome, beyond.value) == ("breach", None)
    assert beyond.text == "at least 601 s, 1 ended, 9 open; at most 600 s"
    within = p95(Survival(REEL, 1, 9, None, 600))
    assert (within.outcome, within.value) == ("untold", None)
    assert within.text == "cannot be told yet, at least 600 s, 1 ended, 9 open; at most 600 s"


def test_one_that_is_open_too_long_is_a_breach_of_its_model() -> None:
    thresholds = Thresholds(open_age=Limits(86_400, {RAY: 600}))
    still_open = [
        OpenInvocations(REEL, 3, 0, 86_400, "arn:reel"),
        OpenInvocations(RAY, 5, 2, 5_400, "arn:ray"),
    ]
    found = findings(replace(FACTS, still_open=still_open), thresholds)
    assert {key: (each.outcome, each.text) for key, each in found.items()} == {
        ("open_age", REEL): ("ok", "3 open, the oldest for 1d; at most 1d"),
        ("open_age", RAY): (
            "breach",
            "2 of 5 open for longer than 10m, the oldest for 1h 30m: arn:ray",
        ),
    }


def test_nothing_open_is_good() -> None:
    found = findings(FACTS, Thresholds(open_age=Limits(60)))
    assert found["open_age", "all models together"].text == "none is open"
    assert found["open_age", "all models together"].outcome == "ok"


@pytest.mark.parametrize(("age", "outcome"), [(3_600, "ok"), (3_601, "breach"), (-5, "ok")])
def test_a_lag_is_a_breach_above_its_threshold(age: float, outcome: str) -> None:
    assert lag(good_run(age)).outcome == outcome


def test_a_copy_whose_loads_have_stopped_is_a_breach_though_nothing_moves() -> None:
    facts, thresholds = replace(FACTS, runs=[good_run(60)]), Thresholds(lag=3_600)
    assert judge(facts, thresholds, NOW).exit_code == 0
    assert judge(facts, thresholds, NOW + timedelta(hours=1)).exit_code == 2


def test_a_scope_that_fails_says_why_once_it_is_late() -> None:
    runs = replace(good_run(7_200), last_outcome="failed", last_error="Denied:\n No.")
    assert lag(runs).text == (
        "the last good run was 2h ago; at most 1h; the last run failed: Denied: No."
    )


def test_a_scope_that_was_never_read_is_a_breach() -> None:
    finding = lag(ScopeRuns("1/us-east-1", None, None, "failed", "Denied: No."), 1e9)
    assert (finding.outcome, finding.value) == ("breach", None)
    assert finding.text == "no run was ever good; the last run failed: Denied: No."


def test_models_that_are_not_rebuilt_lag_too() -> None:
    late = replace(FACTS, runs=[good_run(60)], modelled_at=NOW.timestamp() - 7_200)
    found = findings(late, Thresholds(lag=3_600))
    assert {subject: each.outcome for (_, subject), each in found.items()} == {
        "1/us-east-1": "ok",
        "the models": "breach",
    }
    assert "rebuild them with `models`" in found["lag", "the models"].text


@pytest.mark.parametrize("thresholds", [Thresholds(Limits(0.1)), Thresholds(p95=Limits(60))])
def test_no_data_is_a_breach_with_a_reason_unless_it_is_allowed(thresholds: Thresholds) -> None:
    facts = replace(FACTS, outcomes=[Outcomes(REEL, 0, 0)])
    verdict = judge(facts, thresholds, NOW)
    assert [finding.line for finding in verdict.breaches] == [
        "no data of all models together: none that was submitted from 2026-03-30 18:00:00 UTC to "
        "the last good run, 2026-03-31 18:00:00 UTC, has ended; the newest was submitted at "
        "2026-03-31 17:59:00 UTC"
    ]
    assert verdict.exit_code == 2
    allowed = judge(facts, replace(thresholds, allows_empty=True), NOW)
    assert (allowed.exit_code, allowed.breaches) == (0, [])
    assert allowed.findings[0].outcome == "untold"


def test_no_rows_and_no_good_run_are_no_data() -> None:
    verdict = judge(Facts(), Thresholds(Limits(0.1)), NOW)
    assert [finding.text for finding in verdict.breaches] == [
        "no scope was ever read whole, and there are no rows"
    ]


def test_ages_need_no_data() -> None:
    thresholds = Thresholds(open_age=Limits(60), lag=3_600)
    assert judge(replace(FACTS, runs=[good_run(1)]), thresholds, NOW).exit_code == 0


def test_a_model_that_was_never_called_is_taken_for_a_slip() -> None:
    slip = Limits(None, {"amazon.nova-reel-v1.1": 60})
    verdict = judge(FACTS, Thresholds(open_age=slip), NOW)
    assert [finding.line for finding in verdict.breaches] == [
        "no data of amazon.nova-reel-v1.1: it has a threshold, but no invocation was ever of this "
        "model: is it amazon.nova-reel-v1:1?"
    ]
    assert judge(FACTS, Thresholds(open_age=slip, allows_empty=True), NOW).exit_code == 0


def test_a_named_model_that_was_not_called_in_the_window_is_said_to_be_untold() -> None:
    named = Limits(None, {RAY: 0.1})
    facts = replace(
        FACTS, outcomes=[Outcomes(REEL, 10, 0)], survivals=[Survival(REEL, 10, 0, 1, 1)]
    )
    verdict = judge(facts, Thresholds(failure_rate=named, p95=named), NOW)
    assert [(each.rule, each.subject, each.outcome) for each in verdict.findings] == [
        ("failure_rate", RAY, "untold"),
        ("p95", RAY, "untold"),
    ]
    assert verdict.exit_code == 0
