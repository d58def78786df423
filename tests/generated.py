"""Parts of files that are generated from a declaration: `python -m tests.generated` writes them."""

import re
from pathlib import Path
from typing import Final

from bedrock_async_invokes.failure_messages import CATEGORIES

STAGING: Final = Path("sql/staging")
FAILURE_CATEGORIES: Final = STAGING / "failure_categories.sql"
INPUT_OF: Final = {"failure_rates": "counted", "survivals": "subjects"}
"""By formula: the part of it that has what it is computed of."""
RULES: Final = re.compile(
    r"(?<=then split_part\(failure_message, ':', 2\)\n).*(?=        end as)", re.S
)
LITERAL_LENGTH: Final = 66


def failure_categories() -> str:
    """The SQL model's text, with the rules of `CATEGORIES`."""
    rules = "".join(_rule(category, pattern) for category, pattern in CATEGORIES)
    return RULES.sub(lambda _: rules, FAILURE_CATEGORIES.read_text())


def _rule(category: str, pattern: str) -> str:
    pieces = re.findall(rf".{{1,{LITERAL_LENGTH}}}(?:(?<=\|)|$)", pattern)
    assert "".join(pieces) == pattern
    literals = "\n                    || ".join(
        "'" + piece.replace("'", "''") + "'" for piece in pieces
    )
    return f"""            when regexp_matches(
                words,
                {literals}
            )
                then '{category}'
"""


def recent(formula: str) -> str:
    """The text of a model over 30 days, which goes on as the dated model of its formula does."""
    kept, mark, _ = (
        _recent(formula).read_text().partition(f"as in {formula}.sql, of which it is a copy.\n")
    )
    of_formula = (STAGING / f"{formula}.sql").read_text()
    part = rf"^{INPUT_OF[formula]} as \(\n.*?^\),\n\n"
    [_, rest] = re.split(part, of_formula, flags=re.MULTILINE | re.DOTALL)
    return f"{kept}{mark}{rest}"


def _recent(formula: str) -> Path:
    return STAGING / f"recent_{formula}.sql"


if __name__ == "__main__":
    FAILURE_CATEGORIES.write_text(failure_categories())
    for each in INPUT_OF:
        _recent(each).write_text(recent(each))
