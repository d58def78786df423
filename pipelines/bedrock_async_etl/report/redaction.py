"""Figures that can be shown to people who may not see what, where and whose the invocations are."""

from collections.abc import Sequence
from typing import Any, Final

SENSITIVE: Final = {
    "examples": ("invocation_arn", "failure_message"),
    "open_invocations": ("invocation_arn", "output_s3_uri"),
    "freshness": ("last_error",),
}


def redacted(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures without messages, errors, ARNs and outputs, and with numbers for accounts."""
    accounts = [*figures["accounts"], *figures["freshness"]["account_id"]]
    names = {account: f"account {at}" for at, account in enumerate(dict.fromkeys(accounts), 1)}
    tables = {
        name: figures[name] | {column: [None] * len(figures[name][column]) for column in columns}
        for name, columns in SENSITIVE.items()
    }
    tables["freshness"]["account_id"] = _named(figures["freshness"]["account_id"], names)
    return figures | tables | {"accounts": _named(figures["accounts"], names)}


def _named(accounts: Sequence[str | None], names: dict[str | None, str]) -> list[str]:
    return [names[account] for account in accounts]
