"""Failure messages get the category that a person would give them, by your rules before ours."""

from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_invokes.columns import EXTRACT_RUNS, VANISHED_INVOKES
from bedrock_async_invokes.failure_messages import CATEGORIES, category_of, phrases_of
from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.records import to_table
from tests.builds import build_models
from tests.copies import query
from tests.generated import failure_categories, failure_messages
from tests.sql.given import AS_OF, FAULTS, HERE, read_csv, store

CATEGORY_OF = {
    line["message"]: line["category"] for line in read_csv(HERE / "failure_messages.csv")
}
RULES = Path("sql/staging/failure_categories.sql")
OWN_RULES = """
select
    failure_message,
    case when words like '% 1280x720 %' then 'wrong_size' end as failure_category
from bedrock_analytics.failure_messages
union all
select failure_message, 'wrong_size_too'
from bedrock_analytics.failure_messages
where words like '% 1280x720 %'
"""


OWN_RULES_WITH_A_FAULT = """
select
    failure_message,
    case
        when words = ' prompt is required ' then 'form_error'
        when phrases like '% nobody has seen %' then 'capacity'
    end as failure_category
from bedrock_analytics.failure_messages
"""


@pytest.fixture
def failed(tmp_path: Path) -> DuckDBDestination:
    """A database in which an invocation failed with each message."""
    summaries = [
        {
            "invocationArn": f"arn:aws:bedrock:us-east-1:111122223333:async-invoke/{number}",
            "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/luma.ray-v2:0",
            "status": "Failed",
            "failureMessage": message,
            "submitTime": "2026-03-02T10:00:00Z",
            "endTime": "2026-03-02T10:01:00Z",
        }
        for number, message in enumerate(CATEGORY_OF)
    ]
    database = store(
        tmp_path / "failed.duckdb",
        async_invokes=to_table(page_of(summaries), AS_OF),
        extract_runs=EXTRACT_RUNS.schema.empty_table(),
        vanished_invokes=VANISHED_INVOKES.schema.empty_table(),
    )
    return DuckDBDestination(database)


def categories(destination: DuckDBDestination, own: Path | None = None) -> dict[str, str]:
    build_models(destination, own)
    return of_messages(destination, "failure_category")


def faults(destination: DuckDBDestination, own: Path | None = None) -> dict[str, str | None]:
    build_models(destination, own)
    return of_messages(destination, "failure_fault")


def of_messages(destination: DuckDBDestination, column: str) -> dict[str, Any]:
    found = f"failure_message, {column} from bedrock_analytics.invocations"
    return dict(query(destination.database, f"select {found}"))


def test_messages_get_the_category_a_person_would_give_them(failed: DuckDBDestination) -> None:
    assert categories(failed) == CATEGORY_OF


def test_ones_own_rules_come_first_and_leave_the_rest(
    failed: DuckDBDestination, tmp_path: Path
) -> None:
    (tmp_path / "own_failure_categories.sql").write_text(OWN_RULES)
    changed = {
        message: "wrong_size" if "1280x720" in message else category
        for message, category in CATEGORY_OF.items()
    }
    assert categories(failed, tmp_path) == changed != CATEGORY_OF


def test_a_failure_has_the_fault_of_its_category(failed: DuckDBDestination) -> None:
    assert faults(failed) == {
        message: FAULTS.get(category) for message, category in CATEGORY_OF.items()
    }


def test_a_category_of_ones_own_has_no_fault_unless_it_is_one_of_ours(
    failed: DuckDBDestination, tmp_path: Path
) -> None:
    (tmp_path / "own_failure_categories.sql").write_text(OWN_RULES_WITH_A_FAULT)
    found = faults(failed, tmp_path)
    assert found["Prompt is required"] is None
    assert found["Something that nobody has seen before."] == "service"
    assert found["Job failed"] == "service"


def test_every_category_but_unknown_has_rules_and_a_fault() -> None:
    assert FAULTS.keys() == {category for category, _ in CATEGORIES}
    assert FAULTS.keys() | {"unknown"} == set(CATEGORY_OF.values())
    assert set(FAULTS.values()) == {"client", "service", "content"}


def test_reasons_have_the_fault_of_their_category(failed: DuckDBDestination) -> None:
    build_models(failed)
    found = query(
        failed.database,
        "select failure_category, failure_fault from bedrock_analytics.failure_reasons_daily",
    )
    assert sorted(found) == sorted(
        (category, FAULTS.get(category)) for category in {*CATEGORY_OF.values()}
    )


def test_every_message_has_a_source() -> None:
    assert all(line["source"] for line in read_csv(HERE / "failure_messages.csv"))


def test_the_share_of_unknown_messages_can_be_watched(failed: DuckDBDestination) -> None:
    build_models(failed)
    reasons = "from bedrock_analytics.failure_reasons_daily where failure_category = 'unknown'"
    [(share,)] = query(failed.database, f"select share {reasons}")
    assert share == pytest.approx([*CATEGORY_OF.values()].count("unknown") / len(CATEGORY_OF))


def test_the_rules_in_sql_are_generated_from_those_of_the_source() -> None:
    """`python -m tests.generated` writes them."""
    assert RULES.read_text() == failure_categories()
    assert Path("sql/staging/failure_messages.sql").read_text() == failure_messages()


def test_redaction_when_loading_has_the_same_rules() -> None:
    select = sqlglot.parse_one(RULES.read_text(), read="duckdb")
    rules = [
        (branch.args["true"].this, "".join(part.this for part in literals(branch.this.expression)))
        for case in select.find_all(exp.Case)
        for branch in case.args["ifs"]
        if isinstance(branch.this, exp.RegexpLike)
    ]
    assert tuple(rules) == CATEGORIES


def test_redaction_sees_the_phrases_that_the_rules_in_sql_see(failed: DuckDBDestination) -> None:
    build_models(failed)
    found = query(
        failed.database,
        "select failure_message, phrases from bedrock_analytics.failure_messages",
    )
    assert dict(found) == {message: phrases_of(message) for message in CATEGORY_OF}


@pytest.mark.parametrize(
    ("message", "phrases"),
    [
        ("It isn't, can\u2019t", " it is not cannot "),
        ("PutObject to s3://blocked/by/filters.mp4.", " putobject to s3 "),
        ("on arn:aws:s3:::a/b, arn:aws-cn:kms:cn-north-1:1:key/x", " on s3 kms "),
        ("at https://renders.s3.eu-west-1.amazonaws.com/a?b=c", " at s3 b c "),
        ("arn:aws:bedrock:us-east-1::foundation-model/luma.ray-v2:0 is", " model is "),
        (
            "us.amazon.nova-reel-v1:1 and Nova Reel v1.1 or Marengo 2.7",
            " us model and model or model ",
        ),
        ("role arn:aws:iam::1:role/s3-out on https://docs/timeout", " role on "),
        ("", "  "),
    ],
)
def test_names_of_resources_tell_no_category(message: str, phrases: str) -> None:
    assert phrases_of(message) == phrases


def literals(pattern: exp.Expression) -> list[exp.Expression]:
    return list(pattern.find_all(exp.Literal, bfs=False))


@pytest.mark.parametrize("message", [each for each in CATEGORY_OF if "redacted" not in each])
def test_redaction_gives_the_same_category(message: str) -> None:
    assert category_of(message) == CATEGORY_OF[message]
