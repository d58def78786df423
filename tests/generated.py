"""Parts of files that are generated from a declaration: `python -m tests.generated` writes them."""

import re
from pathlib import Path
from typing import Final

from bedrock_async_invokes.failure_messages import (
    CATEGORIES,
    CONTRACTIONS,
    NAMES,
    SEPARATORS,
)

STAGING: Final = Path("sql/staging")
FAILURE_CATEGORIES: Final = STAGING / "failure_categories.sql"
FAILURE_MESSAGES: Final = STAGING / "failure_messages.sql"
RULES: Final = re.compile(
    r"(?<=then split_part\(failure_message, ':', 2\)\n).*(?=        end as)", re.S
)
PHRASES: Final = re.compile(r"(?<=^        trim\(\n).*(?=^        \),\n        ' '\n)", re.S | re.M)
LITERAL_LENGTH: Final = 78


def failure_categories() -> str:
    """The SQL model's text, with the rules of `CATEGORIES`."""
    rules = "".join(_rule(category, pattern) for category, pattern in CATEGORIES)
    return RULES.sub(lambda _: rules, FAILURE_CATEGORIES.read_text())


def failure_messages() -> str:
    """The SQL model's text, with the replacements that make the phrases."""
    replacements = (*NAMES, *CONTRACTIONS, SEPARATORS)
    calls = "\n            ".join(["regexp_replace("] * len(replacements))
    phrases = "".join(_replacement(pattern, text) for pattern, text in replacements)
    text = f"            {calls}\n                lower(failure_message){phrases}\n"
    return PHRASES.sub(lambda _: text, FAILURE_MESSAGES.read_text())


def _replacement(pattern: str, text: str) -> str:
    return f""",
                {_literals(pattern)},
                '{text}', 'g'
            )"""


def _rule(category: str, pattern: str) -> str:
    return f"""            when regexp_matches(
                phrases,
                {_literals(pattern)}
            ) then '{category}'
"""


def _literals(pattern: str) -> str:
    pieces = re.findall(rf".{{1,{LITERAL_LENGTH}}}(?:(?<=[|*}}])|$)", pattern)
    assert "".join(pieces) == pattern
    return f"\n{' ' * 16}|| ".join("'" + each.replace("'", "''") + "'" for each in pieces)


if __name__ == "__main__":
    FAILURE_CATEGORIES.write_text(failure_categories())
    FAILURE_MESSAGES.write_text(failure_messages())
