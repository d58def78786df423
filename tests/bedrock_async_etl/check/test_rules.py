"""What is a breach, and what is not: each threshold from both sides."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from bedrock_async_etl.check.facts import Facts
from bedrock_async_etl.check.rules import RULES, apply_rules
from bedrock_async_etl.check.thresholds import Limits, Thresholds
from bedrock_async_etl.check.verdict import Finding, Verdict
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.options import CheckOptions, Per
from bedrock_async_etl.status import Row
from bedrock_async_invokes.options import options_of

NOW = datetime(2026, 3, 31, 18, tzinfo=UTC)
REEL, RAY = "amazon.nova-reel-v1:1", "luma.ray-v2:0"
TABLE = """
create schema bedrock_analytics;
create table given (
    invocation_arn varchar, account_id varchar, region varchar, model_id varchar,
    model_arn varchar, status varchar, submit_time timestamptz, submit_hour timestamptz,
    is_terminal boolean, is_failed boolean, is_open boolean, is_vanished boolean,
    latency_seconds double, age_seconds double, failure_fault varchar
);
create table bedrock_analytics.model_summary (model_id varchar, is_stalled boolean);
create table bedrock_analytics.incidents (
    model_id varchar, started_at timestamptz, ended_at timestamptz, account_id varchar,
    region varchar, scopes bigint, accounts bigint,
    failed bigint, terminal bigint, excess_failed double, failure_category varchar,
    example_arn varchar
);
create view bedrock_analytics.invocations as select * exclude (age_seconds) from given;
create view bedrock_analytics.open_invocations as
select invocation_arn, age_seconds from given where is_open;
create view bedrock_analytics.unmeasured_ages as
select invocation_arn, cast(1000 * age_seconds as bigint) as age_ms from given where is_open;
"""
INSERT = """
insert into given
select
    'arn:' || coalesce($name, cast(uuid() as varchar)),
    '1', $region, $model, 'arn', $status, $submit_time, date_trunc('hour', $submit_time),
    not is_open, $status = 'Failed', is_open, false,
    case when not is_open then $seconds end, case when is_open then $seconds end, $fault
from (select $status = 'InProgress' as is_open), range($count)
"""


@pytest.fixture
def facts() -> Iterator[Facts]:
    """A window without invocations, of a day up to a minute ago."""
    with duckdb.connect() as connection:
        connection.execute(TABLE)
        yield Facts(
            connection,
            NOW,
            since=NOW - timedelta(days=1),
            until=NOW,
            newest=NOW - timedelta(minutes=1),
            ended=1,
            model_ids=(REEL, RAY),
        )


def add(
    facts: Facts,
    model: str,
    status: str,
    count: int,
    seconds: float = 60,
    name: str | None = None,
    fault: str | None = None,
    region: str = "us-east-1",
    age: timedelta = timedelta(hours=1),
) -> None:
    """So many invocations of the window that took, or have been open for, so many seconds."""
    values = {"model": model, "status": status, "count": count, "seconds": seconds, "name": name}
    others = {"submit_time": NOW - age, "fault": fault, "region": region}
    facts.connection.execute(INSERT, values | others)


def findings(facts: Facts, thresholds: Thresholds) -> dict[tuple[str, str], Finding]:
    """By rule and subject."""
    return {(finding.rule, finding.subject): finding for finding in apply_rules(facts, thresholds)}


def breaches(facts: Facts, thresholds: Thresholds) -> list[Finding]:
    return Verdict(apply_rules(facts, thresholds)).breaches


def rates(
    facts: Facts,
    outcomes: Mapping[str, tuple[int, int]],
    general: float | None = 0.05,
    by_model: Mapping[str, float] | None = None,
    is_strict: bool = False,
) -> dict[str, str]:
    """The outcome of each subject's failure rate, of models with so many terminal, so many failed.

    Each has one more that is open.
    """
    facts.connection.execute("truncate given")
    for model, (terminal, failed) in outcomes.items():
        add(facts, model, "Completed", terminal - failed)
        add(facts, model, "Failed", failed)
        add(facts, model, "InProgress", 1)
    limits = Limits(general, by_model or {})
    found = findings(facts, Thresholds({"failure_rate": limits}, is_strict=is_strict))
    return {subject: finding.outcome for (_, subject), finding in found.items()}


def p95(facts: Facts, limit: float = 600, *, is_strict: bool = False) -> Finding:
    thresholds = Thresholds({"p95": Limits(limit)}, is_strict=is_strict)
    return findings(facts, thresholds)["p95", REEL]


def lag(facts: Facts, run: Row, limit: float = 3_600) -> Finding:
    thresholds = Thresholds({"lag": Limits(limit)})
    return findings(replace(facts, runs=[run]), thresholds)["lag", "1/us-east-1"]


def good_run(age_seconds: float) -> Row:
    return {
        "account_id": "1",
        "region": "us-east-1",
        "last_success_loaded_at": NOW - timedelta(seconds=age_seconds),
        "is_unread": False,
        "last_success_at": NOW,
        "last_outcome": "ok",
        "last_error": None,
    }


def failed(run: Row, error: str) -> Row:
    return {**run, "last_outcome": "failed", "last_error": error}


def test_every_threshold_that_is_declared_has_a_rule() -> None:
    declared = [option.name for option in options_of(CheckOptions)]
    assert [f"max_{rule}" for rule in RULES] == [
        name for name in declared if name.startswith("max_")
    ]


@pytest.mark.parametrize(
    ("failed", "careful", "strict"),
    [
        (50, "ok", "ok"),
        (51, "inconclusive", "breach"),
        (63, "inconclusive", "breach"),
        (64, "breach", "breach"),
    ],
)
def test_a_failure_rate_is_a_breach_once_its_interval_is_above_the_threshold(
    failed: int, careful: str, strict: str, facts: Facts
) -> None:
    assert rates(facts, {REEL: (1_000, failed)}) == {REEL: careful}
    assert rates(facts, {REEL: (1_000, failed)}, is_strict=True) == {REEL: strict}


def test_few_failures_of_few_are_said_to_be_too_small_a_sample(facts: Facts) -> None:
    add(facts, REEL, "Completed", 7)
    add(facts, REEL, "Failed", 1)
    found = findings(facts, Thresholds({"failure_rate": Limits(0.1)}))["failure_rate", REEL]
    assert (found.outcome, found.value, found.threshold, found.sample_size) == (
        "inconclusive",
        0.125,
        0.1,
        8,
    )
    assert found.text == (
        "12.5 % (95 % interval 2.24 % to 47.09 %), 1 of 8 failed; at most 10 %: "
        "above the threshold, but the interval reaches below it"
    )


def test_many_small_samples_together_are_proof_where_none_is(facts: Facts) -> None:
    found = rates(facts, {f"model-{number}": (20, 2) for number in range(10)})
    assert found.pop("all models together") == "breach"
    assert set(found.values()) == {"inconclusive"}


def test_a_model_with_a_threshold_of_its_own_is_held_to_that_alone(facts: Facts) -> None:
    outcomes = {REEL: (100, 20), RAY: (100, 0), "other": (100, 0)}
    assert rates(facts, outcomes, by_model={REEL: 0.3}) == {
        REEL: "ok",
        RAY: "ok",
        "other": "ok",
        "all other models together": "ok",
    }
    assert rates(facts, outcomes, general=None, by_model={REEL: 0.1}) == {REEL: "breach"}


def test_failures_that_are_not_the_services_fault_are_no_failures_of_it(facts: Facts) -> None:
    add(facts, REEL, "Completed", 60)
    for fault in ("client", "content", None):
        add(facts, REEL, "Failed", 10, fault=fault)
    add(facts, REEL, "Failed", 10, fault="service")
    thresholds = Thresholds(dict.fromkeys(("failure_rate", "service_failure_rate"), Limits(0.2)))
    found = findings(facts, thresholds)
    values = {rule: (finding.value, finding.outcome) for (rule, _), finding in found.items()}
    assert values == {"failure_rate": (0.4, "breach"), "service_failure_rate": (0.1, "ok")}


def test_a_rate_without_any_that_ended_is_inconclusive(facts: Facts) -> None:
    both = rates(facts, {REEL: (0, 0), RAY: (10, 0)})
    assert both == {REEL: "inconclusive", RAY: "ok", "all models together": "ok"}


def test_fast_failures_of_a_window_that_is_not_over_are_no_breach(facts: Facts) -> None:
    """5 % fail within 5 seconds, the others complete after 15 minutes."""
    for minute in range(30):
        age = timedelta(minutes=minute, seconds=30)
        add(facts, REEL, "Failed", 1, 5, age=age)
        is_over = minute >= 15
        seconds = 900 if is_over else age.total_seconds()
        add(facts, REEL, "Completed" if is_over else "InProgress", 19, seconds, age=age)
    strict = Thresholds({"failure_rate": Limits(0.06)}, timedelta(minutes=30), is_strict=True)
    found = findings(facts, strict)["failure_rate", REEL]
    assert found.outcome == "ok"
    assert found.value == pytest.approx(0.05)
    assert found.text.endswith("30 of 315 failed, 285 open; at most 6 %")


def test_failures_that_come_together_tell_less_than_as_many_apart(facts: Facts) -> None:
    for hour in range(24):
        age = timedelta(hours=hour, minutes=30)
        add(facts, REEL, "Completed", 0 if hour == 5 else 30, age=age)
        add(facts, REEL, "Failed", 30 if hour == 5 else 0, age=age)
        add(facts, RAY, "Completed", 29 if hour % 2 else 28, age=age)
        add(facts, RAY, "Failed", 1 if hour % 2 else 2, age=age)
    found = findings(facts, Thresholds({"failure_rate": Limits(0.03)}))
    assert found["failure_rate", REEL].value == pytest.approx(30 / 720)
    assert found["failure_rate", RAY].value == pytest.approx(36 / 720)
    assert found["failure_rate", REEL].outcome == "inconclusive"
    assert found["failure_rate", RAY].outcome == "breach"


@pytest.mark.parametrize(
    ("per", "expected"),
    [
        ("scope", {f"1/us-west-2 {REEL}": "breach", f"1/us-east-1 {REEL}": "ok"}),
        ("region", {f"us-west-2 {REEL}": "breach", f"us-east-1 {REEL}": "ok"}),
        ("model", {REEL: "ok"}),
        ("all", {}),
    ],
)
def test_what_is_judged_by_itself_is_chosen(
    per: Per, expected: dict[str, str], facts: Facts
) -> None:
    add(facts, REEL, "Completed", 1_600)
    add(facts, REEL, "Failed", 60, region="us-west-2")
    limits = dict.fromkeys(("failure_rate", "p95"), Limits(0.05))
    found = findings(facts, Thresholds(limits, per=per))
    rates = {subject: each.outcome for (rule, subject), each in found.items() if rule != "p95"}
    together = {"all models together": "ok"} if len(expected) != 1 else {}
    assert rates == expected | together
    of_p95 = {subject for rule, subject in found if rule == "p95"}
    assert of_p95 == (expected or together).keys()


def test_a_model_with_a_threshold_of_its_own_is_judged_beside_all_together(facts: Facts) -> None:
    add(facts, REEL, "Completed", 100)
    add(facts, RAY, "Failed", 100)
    limits = dict.fromkeys(("failure_rate", "p95"), Limits(0.5, {RAY: 0.9}))
    found = findings(facts, Thresholds(limits, per="all"))
    assert {key: each.outcome for key, each in found.items()} == {
        ("failure_rate", RAY): "breach",
        ("failure_rate", "all other models together"): "ok",
        ("p95", RAY): "breach",
        ("p95", "all other models together"): "breach",
    }


def test_a_scope_that_was_not_read_up_to_the_end_of_the_window_is_told(facts: Facts) -> None:
    add(facts, REEL, "Completed", 10)
    runs = [
        good_run(60),
        good_run(60) | {"region": "us-west-2", "last_success_at": NOW - timedelta(minutes=6)},
        good_run(60) | {"region": "eu-west-1", "last_success_at": None},
    ]
    found = findings(replace(facts, runs=runs), Thresholds({"failure_rate": Limits(0.1)}))
    told = {subject: each.text for (rule, subject), each in found.items() if rule == "data"}
    assert told == {
        "1/us-west-2": "it was read last at 2026-03-31 17:54:00 UTC, so the window lacks what came "
        "since",
        "1/eu-west-1": "it was never read, so the window lacks what came since",
    }


@pytest.mark.parametrize(
    ("per", "where"),
    [("scope", ""), ("region", ", most failures in 1/us-west-2 (3)")]
    + [(per, ", most failures in 1/us-east-1 (8)") for per in ("model", "all")],
)
def test_a_breach_says_since_when_and_in_which_scope_most_have_failed(
    per: Per, where: str, facts: Facts
) -> None:
    add(facts, REEL, "Failed", 8)
    add(facts, REEL, "Failed", 3, region="us-west-2")
    add(facts, REEL, "Failed", 20, region="eu-west-1", age=timedelta(days=2))
    add(facts, RAY, "Failed", 9, region="us-west-2")
    limits = {"failure_rate": Limits(0.05, {RAY: 1.0})}
    texts = [each.text for each in breaches(facts, Thresholds(limits, per=per))]
    found = [text for text in texts if text.endswith(f" UTC{where}")]
    assert found[0].endswith(f"; at most 5 %; submitted since 2026-03-30 18:00:00 UTC{where}")


def test_all_that_failed_are_above_every_threshold_but_the_whole(facts: Facts) -> None:
    assert rates(facts, {REEL: (50, 50)}, general=0.85) == {REEL: "breach"}
    assert rates(facts, {REEL: (50, 50)}, general=1, is_strict=True) == {REEL: "ok"}


@pytest.mark.parametrize(("seconds", "outcome"), [(600, "ok"), (600.001, "breach")])
def test_a_p95_is_a_breach_above_its_threshold(seconds: float, outcome: str, facts: Facts) -> None:
    add(facts, REEL, "Completed", 100, seconds)
    add(facts, REEL, "InProgress", 2, 5_000)
    assert p95(facts).outcome == outcome


def test_a_p95_line_says_how_many_have_ended_and_how_many_are_open(facts: Facts) -> None:
    add(facts, REEL, "Completed", 1_100, 700.25)
    add(facts, REEL, "InProgress", 2, 5_000)
    finding = p95(facts)
    assert finding.line == (
        "p95 of amazon.nova-reel-v1:1: 11 min 40 s (95 % interval 11 min 40 s to 11 min 40 s), "
        "1,100 ended, 2 open; at most 10 min; submitted since 2026-03-30 18:00:00 UTC, "
        "most slow ones in 1/us-east-1 (1,100). Next: compare how many were in flight with the "
        "model's quota (`report --quota`)."
    )
    assert finding.sample_size == 1_102


@pytest.mark.parametrize(
    ("age", "least", "outcome", "text"),
    [
        (601, "10 min 1 s", "breach", "; submitted since 2026-03-30 18:00:00 UTC"),
        (600, "10 min", "inconclusive", ": not known yet"),
    ],
)
def test_where_the_curve_ends_early_the_longest_duration_is_what_p95_is_at_least(
    age: float, least: str, outcome: str, text: str, facts: Facts
) -> None:
    add(facts, REEL, "Completed", 1)
    add(facts, REEL, "InProgress", 9, age)
    finding = p95(facts)
    assert (finding.outcome, finding.value) == (outcome, None)
    known = f"at least {least} (95 % interval {least} or more), 1 ended, 9 open; at most 10 min"
    assert finding.text == f"{known}{text}"


@pytest.mark.parametrize(
    ("slow", "quick", "careful"),
    [(1, 9, "inconclusive"), (8, 92, "inconclusive"), (12, 88, "breach")],
)
def test_a_p95_of_few_is_a_breach_once_its_interval_is_above(
    slow: int, quick: int, careful: str, facts: Facts
) -> None:
    add(facts, REEL, "Completed", quick, 60)
    add(facts, REEL, "Completed", slow, 900)
    assert p95(facts).outcome == careful
    assert p95(facts, is_strict=True).outcome == "breach"
    assert p95(facts, limit=900).outcome == "ok"


def test_a_p95_of_one_says_that_it_is_too_few(facts: Facts) -> None:
    add(facts, REEL, "Completed", 1, 900)
    assert p95(facts).text == (
        "15 min (95 % interval 0 s or more), 1 ended, 0 open; at most 10 min: above the threshold, "
        "but the interval reaches below it"
    )


def test_one_that_is_open_too_long_is_a_breach_of_its_model(facts: Facts) -> None:
    add(facts, REEL, "InProgress", 3, 86_400)
    add(facts, RAY, "InProgress", 1, 5_400, name="ray")
    add(facts, RAY, "InProgress", 1, 601)
    add(facts, RAY, "InProgress", 3, 600)
    found = findings(facts, Thresholds({"open_age": Limits(86_400, {RAY: 600})}))
    assert {key: (each.outcome, each.text) for key, each in found.items()} == {
        ("open_age", REEL): ("ok", "3 open, the oldest for 1 d; at most 1 d"),
        ("open_age", RAY): (
            "breach",
            "2 of 5 open for longer than 10 min, the oldest for 1 h 30 min, since "
            "2026-03-31 17:00:00 UTC: arn:ray",
        ),
    }


def test_a_model_of_which_nothing_ends_is_held_to_its_age_and_said_to_be_so(facts: Facts) -> None:
    facts.connection.execute(
        "insert into bedrock_analytics.model_summary values ($1, true)", [REEL]
    )
    add(facts, REEL, "InProgress", 1, 90_000, name="reel")
    add(facts, REEL, "InProgress", 4, 86_400)
    texts = {
        days: findings(facts, Thresholds({"open_age": Limits(days * 86_400)}))["open_age", REEL]
        for days in (1, 2)
    }
    assert {days: (each.outcome, each.text) for days, each in texts.items()} == {
        1: (
            "breach",
            "1 of 5 open for longer than 1 d, the oldest for 1 d 1 h, since "
            "2026-03-31 17:00:00 UTC: arn:reel; "
            "none has ended in 24 h",
        ),
        2: ("ok", "5 open, the oldest for 1 d 1 h; at most 2 d; none has ended in 24 h"),
    }


def incident(facts: Facts, model: str, began: timedelta, ended: timedelta | None = None) -> None:
    """One that failed 60 of 60 in two scopes, so long ago."""
    facts.connection.execute(
        "insert into bedrock_analytics.incidents values "
        "($1, $2, $3, '1', null, 2, 1, 60, 60, 58.5, 'capacity', 'arn:example')",
        [model, NOW - began, ended and NOW - ended],
    )


def test_an_open_incident_is_a_breach_once_it_has_lasted_too_long(facts: Facts) -> None:
    incident(facts, REEL, timedelta(hours=3), timedelta(hours=2))
    thresholds = Thresholds({"incident": Limits(0.0, {RAY: 7_200})})
    none = findings(facts, thresholds)["incident", "all models together"]
    assert (none.outcome, none.text) == ("ok", "none is open")

    incident(facts, REEL, timedelta(minutes=30))
    incident(facts, RAY, timedelta(hours=2))
    found = findings(facts, thresholds)
    text = "60 of 60 failed since 2026-03-31 {} UTC in 2 scopes of 1, 58 more than usual; capacity "
    text += "grew most, for example arn:example; open for {}, at most {}"
    assert {key: (each.outcome, each.value, each.text) for key, each in found.items()} == {
        ("incident", REEL): ("breach", 1_800, text.format("17:30:00", "30 min", "0 s")),
        ("incident", RAY): ("ok", 7_200, text.format("16:00:00", "2 h", "2 h")),
    }
    assert found["incident", REEL].as_json()["example_arn"] == "arn:example"

    incident(facts, RAY, timedelta(hours=2, seconds=1))
    assert RAY in {each.subject for each in breaches(facts, thresholds)}


def test_what_is_not_open_is_not_said_of_all_models(facts: Facts) -> None:
    incident(facts, REEL, timedelta(hours=1))
    found = findings(facts, Thresholds({"incident": Limits(None, {RAY: 60})}))
    assert {key: each.text for key, each in found.items()} == {("incident", RAY): "none is open"}


def test_models_without_incidents_have_to_be_built(facts: Facts) -> None:
    facts.connection.execute("drop table bedrock_analytics.incidents")
    with pytest.raises(CommandError, match="build it with `models`"):
        apply_rules(facts, Thresholds({"incident": Limits(0.0)}))


def test_nothing_open_is_good(facts: Facts) -> None:
    found = findings(facts, Thresholds({"open_age": Limits(60)}))
    assert found["open_age", "all models together"].text == "none is open"
    assert found["open_age", "all models together"].outcome == "ok"


@pytest.mark.parametrize(("age", "outcome"), [(3_600, "ok"), (3_601, "breach"), (-5, "ok")])
def test_a_lag_is_a_breach_above_its_threshold(age: float, outcome: str, facts: Facts) -> None:
    assert lag(facts, good_run(age)).outcome == outcome


def test_a_copy_whose_loads_have_stopped_is_a_breach_though_nothing_moves(facts: Facts) -> None:
    loaded, thresholds = replace(facts, runs=[good_run(60)]), Thresholds({"lag": Limits(3_600)})
    assert not breaches(loaded, thresholds)
    assert breaches(replace(loaded, now=NOW + timedelta(hours=1)), thresholds)


def test_a_scope_that_fails_says_why_once_it_is_late(facts: Facts) -> None:
    assert lag(facts, failed(good_run(7_200), "Denied:\n No.")).text == (
        "the last successful run was 2 h ago, at 2026-03-31 16:00:00 UTC; at most 1 h; the last "
        "run failed: Denied: No."
    )


def test_a_scope_that_was_never_read_is_a_breach(facts: Facts) -> None:
    never = {**good_run(0), "last_success_loaded_at": None, "last_success_at": None}
    finding = lag(facts, failed(never, "Denied: No."), 1e9)
    assert (finding.outcome, finding.value) == ("breach", None)
    assert finding.text == "never succeeded; the last run failed: Denied: No."


@pytest.mark.parametrize(
    ("run", "remedy"),
    [
        (failed(good_run(7_200), "Denied: No."), "fix the error, and `run`"),
        (good_run(7_200), "see why `run` is no longer started (cron, systemd, Airflow)"),
        (
            good_run(7_200) | {"is_unread": True},
            "name its account and region to `run` again, or let it be retired after a week",
        ),
        (
            good_run(0) | {"last_success_loaded_at": None, "last_success_at": None},
            "`run` without --since and --until",
        ),
    ],
)
def test_a_scope_that_is_late_says_what_to_do(run: Row, remedy: str, facts: Facts) -> None:
    assert lag(facts, run).message.endswith(f". Next: {remedy}.")
    assert "Next" not in lag(facts, good_run(60)).message


def test_models_that_are_not_rebuilt_lag_too(facts: Facts) -> None:
    late = replace(facts, runs=[good_run(60)], modelled_at=NOW.timestamp() - 7_200)
    found = findings(late, Thresholds({"lag": Limits(3_600)}))
    assert {subject: each.outcome for (_, subject), each in found.items()} == {
        "1/us-east-1": "ok",
        "the models": "breach",
    }
    assert found["lag", "the models"].message == (
        "they were built from what was loaded 2 h ago, at 2026-03-31 16:00:00 UTC; at most 1 h. "
        "Next: rebuild them with `models`."
    )


@pytest.mark.parametrize("rule", ["failure_rate", "service_failure_rate", "p95"])
def test_no_data_is_a_breach_with_a_reason_unless_it_is_allowed(rule: str, facts: Facts) -> None:
    facts, thresholds = replace(facts, ended=0), Thresholds({rule: Limits(0.1)})
    assert [finding.line for finding in breaches(facts, thresholds)] == [
        "no data of all models together: none that was submitted from 2026-03-30 18:00:00 UTC to "
        "the last successful run, 2026-03-31 18:00:00 UTC, has ended; the newest was submitted at "
        "2026-03-31 17:59:00 UTC. Next: see with `status` whether every account and region is read."
    ]
    allowed = Verdict(apply_rules(facts, replace(thresholds, allows_empty=True)))
    assert (allowed.exit_code, allowed.breaches) == (0, [])
    assert allowed.findings[0].outcome == "inconclusive"


def test_no_rows_and_no_good_run_are_no_data(facts: Facts) -> None:
    never = Facts(facts.connection, NOW)
    found = breaches(never, Thresholds({"failure_rate": Limits(0.1)}))
    assert [finding.text for finding in found] == [
        "no run has succeeded yet, and there are no rows"
    ]


def test_ages_need_no_data(facts: Facts) -> None:
    thresholds = Thresholds({"open_age": Limits(60), "lag": Limits(3_600)})
    assert not breaches(replace(facts, runs=[good_run(1)], ended=0), thresholds)


def test_a_model_that_was_never_called_is_taken_for_a_slip(facts: Facts) -> None:
    thresholds = Thresholds({"open_age": Limits(None, {"amazon.nova-reel-v1.1": 60})})
    assert [finding.line for finding in breaches(facts, thresholds)] == [
        "no data of amazon.nova-reel-v1.1: it has a threshold, but this model has never been "
        "invoked. Next: correct the model's id, which may be amazon.nova-reel-v1:1."
    ]
    assert not breaches(facts, replace(thresholds, allows_empty=True))


def test_a_named_model_that_was_not_called_in_the_window_is_inconclusive(facts: Facts) -> None:
    add(facts, REEL, "Completed", 10)
    named = Limits(None, {RAY: 0.1})
    found = apply_rules(facts, Thresholds({"failure_rate": named, "p95": named}))
    assert [(each.rule, each.subject, each.outcome) for each in found] == [
        ("failure_rate", RAY, "inconclusive"),
        ("p95", RAY, "inconclusive"),
    ]
