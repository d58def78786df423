"""The statistics of the shipped models over other rows: each formula is written once, in SQL."""

import re

from bedrock_async_etl.models.sql_files import SHIPPED


def statistic(model: str, **inputs: str) -> str:
    """The SELECT of a shipped staging model, with other SELECTs as some of its named parts.

    `inputs` replace the common table expressions of their names, and return the same columns: a
    report that has cohorts of its own replaces the part that groups them, for instance.
    """
    text = (SHIPPED / "staging" / f"{model}.sql").read_text("utf-8")
    for name, select in inputs.items():
        before, after = re.split(rf"^{name} as \(\n.*?^\)", text, flags=re.MULTILINE | re.DOTALL)
        text = f"{before}{name} as (\n{select}\n){after}"
    return text
