"""The statistics of the shipped models over other rows: each formula is written once, in SQL."""

import re
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1]
SHIPPED: Final = next(
    path for path in (PACKAGE / "sql", PACKAGE.parents[1] / "sql") if path.is_dir()
)
"""In the package where it is installed, at the top of a checkout."""
INPUT: Final = re.compile(r"(?P<parts>.*^\))\s+select \* from (?P<last>\w+)", re.M | re.S)


def statistic(model: str, **inputs: str) -> str:
    """The SELECT of a shipped staging model, with other SELECTs as some of its named parts.

    `inputs` replace the common table expressions of their names, and return the same columns: a
    report that has cohorts of its own replaces the part that groups them, for instance.
    """
    text = formula_path(model).read_text("utf-8")
    for name, select in inputs.items():
        before, after = _around(name, text)
        text = f"{before}{name} as (\n{select}\n){after}"
    return text


def computed_by(formula: str, text: str) -> str:
    """The SELECT of a statistic over the rows of `text`, which ends with `select * from` a part.

    The parts up to the one of that name are those of `text`, the others those of the formula.
    Raises `ValueError` for a text that ends otherwise, or with a part that the formula lacks.
    """
    if not (match := INPUT.fullmatch(text)):
        raise ValueError("it has to end with `select * from` its last common table expression")
    _, after = _around(match["last"], formula)
    return f"{match['parts']}{after}"


def formula_path(model: str) -> Path:
    """The file of a shipped staging model."""
    return SHIPPED / "staging" / f"{model}.sql"


def _around(name: str, text: str) -> list[str]:
    """The text before and after a common table expression."""
    if len(sides := re.split(rf"^{name} as \(\n.*?^\)", text, flags=re.M | re.S)) != 2:
        raise ValueError(f"the formula has no part `{name}`")
    return sides
