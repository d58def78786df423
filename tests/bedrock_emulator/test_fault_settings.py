"""Faults belong to scopes, are checked when they are set, and are counted when they strike."""

import ast
import inspect
import re
from typing import Any, get_type_hints

import pytest
from msgspec.structs import asdict

from bedrock_emulator import Control, ControlError, Faults
from bedrock_emulator.faults import Rate

from .conftest import Connect
from .wire import (
    ACCOUNT,
    DAY,
    NOW,
    OTHER_ACCOUNT,
    OTHER_REGION,
    README,
    REGION,
    outcomes,
)

FAULT = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
UNITS: dict[Any, str] = {Rate: "0 to 1", bool: "true, false"}
NAMED_UNITS = {
    "seed": "number",
    "throttle_per_second": "calls per second",
    "throttle_burst": "calls",
    "token_ttl_calls": "calls",
}
"""Other numbers are seconds."""


def test_faults_belong_to_their_scope(control: Control, connect: Connect) -> None:
    """The most specific setting counts alone; a scope without one is healthy."""
    control.faults(ACCOUNT, REGION)
    control.faults(ACCOUNT, error_503_rate=1)
    control.faults(region=OTHER_REGION, error_500_rate=1)
    scopes = [
        (account, region)
        for account in (ACCOUNT, OTHER_ACCOUNT)
        for region in (REGION, OTHER_REGION)
    ]

    codes = [outcomes(connect(account=a, region=r), 1)[0] for a, r in scopes]

    assert codes == ["", "ServiceUnavailableException", "", "InternalServerException"]
    control.clear_faults()
    assert [outcomes(connect(account=a, region=r), 1)[0] for a, r in scopes] == 4 * [""]


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"reset_rate": 1.5}, "Expected `float` <= 1.0 - at `$.faults.reset_rate`"),
        ({"hang_seconds": -1}, "Expected `float` >= 0.0 - at `$.faults.hang_seconds`"),
        ({"access_denied": "yes"}, "Expected `bool`, got `str` - at `$.faults.access_denied`"),
        ({"short_pages": 1}, "Expected `bool`, got `int` - at `$.faults.short_pages`"),
        ({"token_ttl_calls": True}, "Expected `int`, got `bool` - at `$.faults.token_ttl_calls`"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    control: Control, faults: dict[str, Any], message: str
) -> None:
    """With one clear message."""
    with pytest.raises(ControlError) as caught:
        control.faults(**faults)

    assert str(caught.value).startswith(message)


def test_an_unknown_fault_is_refused(control: Control) -> None:
    """As a wrong keyword is anywhere."""
    with pytest.raises(TypeError, match="gremlins"):
        control.faults(gremlins=1)


def test_the_readme_has_every_fault_as_it_is_declared() -> None:
    """Its unit, its default and its meaning, in the order of the declaration."""
    declaration = ast.parse(inspect.getsource(Faults)).body[0]
    assert isinstance(declaration, ast.ClassDef)
    meanings = [
        ast.literal_eval(each.value) for each in declaration.body[1:] if isinstance(each, ast.Expr)
    ]
    defaults = [f"{each:g}" if each is not False else "false" for each in asdict(Faults()).values()]
    units = [
        UNITS.get(annotation) or NAMED_UNITS.get(name, "seconds")
        for name, annotation in get_type_hints(Faults, include_extras=True).items()
    ]

    rows = zip(Faults.__struct_fields__, units, defaults, meanings, strict=True)
    assert FAULT.findall(README.read_text()) == list(rows)


def test_counters_start_from_nothing_again(control: Control, bedrock: Any) -> None:
    """Calls and rows are counted for each scope that was called, until they are reset."""
    control.populate(ACCOUNT, REGION, 30, NOW - DAY, NOW)
    bedrock.list_async_invokes(maxResults=20)
    bedrock.list_async_invokes()
    before = {name: count for name, count in control.calls()[ACCOUNT, REGION].items() if count}
    control.reset_calls()

    assert before == {"list_calls": 2, "rows_served": 50}
    assert control.calls() == {}
