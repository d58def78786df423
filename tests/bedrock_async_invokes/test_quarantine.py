"""Which rows contradict the scope whose listing has them."""

import pytest

from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.quarantine import LONGEST_ARN, Quarantine, divided
from bedrock_async_invokes.records import to_table
from bedrock_async_invokes.scopes import UNKNOWN_ACCOUNT, Scope
from tests.conftest import ACCOUNT, NOW, REGION

SCOPE = Scope(ACCOUNT, REGION)
OWN = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/own"


def divide(*arns: str, scope: Scope = SCOPE) -> tuple[list[str], Quarantine]:
    summaries = [{"invocationArn": arn, "modelArn": "model"} for arn in arns]
    own, foreign = divided(to_table(page_of(summaries), NOW), scope)
    return own["invocation_arn"].to_pylist(), foreign


@pytest.mark.parametrize(
    "foreign",
    [
        f"arn:aws:bedrock:{REGION}:999988887777:async-invoke/x",
        f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:async-invoke/x",
        f"arn:aws:bedrock:{REGION}:999988887777:async-invoke/x/y:1",
        f"arn:aws:bedrock:EU-WEST-1:{ACCOUNT}:async-invoke/x",
        f"arn:aws-us-gov:other:us-gov-west-1:{ACCOUNT}:x",
    ],
)
def test_an_arn_of_another_account_or_region_is_kept_out(foreign: str) -> None:
    told = Quarantine(1, f"{foreign} is in the listing of {SCOPE}.")
    assert divide(OWN, foreign) == ([OWN], told)


@pytest.mark.parametrize("arn", ["no arn", "arn:aws:bedrock:::async-invoke/x"])
def test_an_arn_that_says_neither_contradicts_nothing(arn: str) -> None:
    assert divide(OWN, arn) == ([OWN, arn], Quarantine())


def test_any_account_may_be_that_of_an_unknown_one() -> None:
    other = f"arn:aws:bedrock:{REGION}:999988887777:async-invoke/x"
    assert divide(OWN, other, scope=Scope(UNKNOWN_ACCOUNT, REGION))[0] == [OWN, other]


def test_the_reason_is_one_short_line_and_the_first_one() -> None:
    first = f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:async-invoke/a\nb{'c' * 1_000}"
    second = f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:async-invoke/d"
    _, foreign = divide(OWN, first, second)
    shown = first.replace("\n", " ")[:LONGEST_ARN]
    assert foreign == Quarantine(2, f"{shown}… is in the listing of {SCOPE}.")
    assert foreign + Quarantine(3, "later") == Quarantine(5, foreign.reason)
