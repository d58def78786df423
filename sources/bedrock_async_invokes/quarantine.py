"""Rows that contradict the scope whose listing has them: they are kept out, counted and named."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from .scopes import Scope

ARN_SCOPE: Final = r"^arn:[^:]*:[^:]*:(?P<region>[^:]*):(?P<account_id>[^:]*):"
"""Of any ARN, also of one that is otherwise not as an invocation's is."""
LONGEST_ARN: Final = 200
"""Characters of an ARN that a reason shows."""


@dataclass(frozen=True)
class Quarantine:
    """Rows that were kept out."""

    rows: int = 0
    reason: str | None = None
    """One line, which names the first of them."""

    def __add__(self, later: "Quarantine") -> "Quarantine":
        return Quarantine(self.rows + later.rows, self.reason or later.reason)


def divided(table: pa.Table, scope: Scope) -> tuple[pa.Table, Quarantine]:
    """The rows that may be of the scope, and what is told of the others.

    An ARN that has no account or no region contradicts nothing; neither does any account where
    that of the scope is unknown.
    """
    is_foreign = _is_foreign(table, scope)
    if not pc.any(is_foreign).as_py():
        return table, Quarantine()
    foreign = table.filter(is_foreign)["invocation_arn"]
    reason = f"{_shown(foreign[0].as_py())} is in the listing of {scope}."
    return table.filter(pc.invert(is_foreign)), Quarantine(len(foreign), reason)


def _is_foreign(table: pa.Table, scope: Scope) -> pa.ChunkedArray:
    """What `to_table` took from the ARNs is compared; where it took nothing, the ARNs are."""
    parts = {name: table[name] for name in ("region", "account_id")}
    if parts["region"].null_count:
        found = pc.extract_regex(table["invocation_arn"], pattern=ARN_SCOPE)
        parts = {name: pc.struct_field(found, name) for name in parts}
    is_foreign = _differs(parts["region"], scope.region)
    if scope.is_known:
        is_foreign = pc.or_(is_foreign, _differs(parts["account_id"], scope.account_id))
    return is_foreign


def _differs(values: pa.ChunkedArray, expected: str) -> pa.ChunkedArray:
    is_told = pc.not_equal(values, "")
    return pc.fill_null(pc.and_(is_told, pc.not_equal(values, expected)), False)


def _shown(arn: str) -> str:
    line = " ".join(arn.split())
    return line if len(line) <= LONGEST_ARN else f"{line[:LONGEST_ARN]}…"
