"""Parts of files that are generated from a declaration: `python -m tests.generated` writes them."""

import re
from pathlib import Path
from typing import Final

from bedrock_async_invokes.failure_messages import (
    CATEGORIES,
    CONTRACTIONS,
    FAULTS,
    NAMES,
    SEPARATORS,
)

STAGING: Final = Path("sql/staging")
FAILURE_CATEGORIES: Final = STAGING / "failure_categories.sql"
FAILURE_MESSAGES: Final = STAGING / "failure_messages.sql"
INPUT_OF: Final = {"failure_rates": "latencies", "survivals": "subjects"}
"""By formula: the last part of it that has what it is computed of."""
RULES: Final = re.compile(
    r"(?<=then split_part\(failure_message, ':', 2\)\n).*(?=        end as)", re.S
)
FAULT_RULES: Final = re.compile(r"(?<=^    case\n).*(?=^    end as failure_fault)", re.S | re.M)
PHRASES: Final = re.compile(r"(?<=^        trim\(\n).*(?=^        \),\n        ' '\n)", re.S | re.M)
LITERAL_LENGTH: Final = 66


def failure_categories() -> str:
    """The SQL model's text, with the rules of `CATEGORIES` and the faults of `FAULTS`."""
    rules = "".join(_rule(category, pattern) for category, pattern in CATEGORIES)
    faults = "".join(map(_fault, dict.fromkeys(FAULTS.values())))
    text = RULES.sub(lambda _: rules, FAILURE_CATEGORIES.read_text())
    return FAULT_RULES.sub(lambda _: faults, text)


def failure_messages() -> str:
    """The SQL model's text, with the replacements that make the phrases."""
    replacements = (*NAMES, *CONTRACTIONS, SEPARATORS)
    calls = "\n            ".join(["regexp_replace("] * len(replacements))
    phrases = "".join(_replacement(pattern, text) for pattern, text in replacements)
    text = f"            {calls}\n                lower(failure_message){phrases}\n"
    return PHRASES.sub(lambda _: text, FAILURE_MESSAGES.read_text())


def _replacement(pattern: str, text: str) -> str:
    return f""",
                {_literals(pattern, 20)},
                '{text}',
                'g'
            )"""


def _rule(category: str, pattern: str) -> str:
    return f"""            when regexp_matches(
                phrases,
                {_literals(pattern, 20)}
            )
                then '{category}'
"""


def _literals(pattern: str, indent: int) -> str:
    pieces = re.findall(rf".{{1,{LITERAL_LENGTH}}}(?:(?<=[|*}}])|$)", pattern)
    assert "".join(pieces) == pattern
    return f"\n{' ' * indent}|| ".join("'" + each.replace("'", "''") + "'" for each in pieces)


def _fault(fault: str) -> str:
    categories = (f"'{category}'" for category, of in FAULTS.items() if of == fault)
    return f"""        when failure_category in (
            {f",{chr(10)}            ".join(categories)}
        )
            then '{fault}'
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
    FAILURE_MESSAGES.write_text(failure_messages())
    for each in INPUT_OF:
        _recent(each).write_text(recent(each))
