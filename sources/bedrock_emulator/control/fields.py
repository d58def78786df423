"""The members of a control request, each read once; what is wrong with one is said clearly."""

import re
from datetime import datetime
from typing import Any

from ..instants import parse
from ..world import ANY

_ACCOUNT = re.compile(r"\d{12}")
_REGION = re.compile(r"[a-z0-9-]{1,20}")


class Fields:
    """Takes members out of a JSON object; raises ValueError for missing, bad or unknown ones."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._left = dict(given)

    def take(self, name: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        """A member of a kind; a default makes it optional."""
        value = self._left.pop(name, default)
        if value is ...:
            raise ValueError(f"{name} is missing")
        if value is not default and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ):
            raise ValueError(f"{name} cannot be {value!r}")
        return value

    def text(self, name: str) -> str:
        """A string."""
        return str(self.take(name, str))

    def instant(self, name: str) -> datetime:
        """An ISO 8601 time with a zone."""
        return parse(self.text(name))

    def account(self) -> str:
        """The account: 12 digits."""
        return self._matching("account", _ACCOUNT, "12 digits")

    def scope(self, *, or_any: bool = False) -> tuple[str, str]:
        """The account and region; with ``or_any`` each may be `ANY`, as it is by default."""
        for name in ("account", "region") if or_any else ():
            self._left.setdefault(name, ANY)
        any_account = or_any and self._left.get("account") == ANY
        any_region = or_any and self._left.get("region") == ANY
        return (
            self.text("account") if any_account else self.account(),
            self.text("region") if any_region else self._region(),
        )

    def _region(self) -> str:
        return self._matching("region", _REGION, "a region's name, as us-east-1")

    def _matching(self, name: str, pattern: re.Pattern[str], meaning: str) -> str:
        value = self.text(name)
        if not pattern.fullmatch(value):
            raise ValueError(f"{name} must be {meaning}, not {value!r}")
        return value

    def end(self) -> None:
        """Refuse what nobody took."""
        if self._left:
            raise ValueError(f"unknown member {', '.join(sorted(self._left))}")
