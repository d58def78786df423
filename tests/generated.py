"""Parts of files that are generated from a declaration: `python -m tests.generated` writes them."""

import re
from pathlib import Path
from typing import Final

from bedrock_async_invokes.failure_messages import CATEGORIES

FAILURE_CATEGORIES: Final = Path("sql/staging/failure_categories.sql")
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


if __name__ == "__main__":
    FAILURE_CATEGORIES.write_text(failure_categories())
