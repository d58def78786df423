"""A stable share of the scopes, so that several runs divide them among themselves."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from .errors import OptionError
from .scopes import Scope

SHARD: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `count`, counted from 1."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `I/N`; raises `OptionError` for anything else, and where I is not in 1..N."""
        match = SHARD.fullmatch(text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise OptionError(
                f"Not a shard: {text!r}. It looks like I/N with I from 1 to N, such as 2/4."
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def takes(self, scope: Scope) -> bool:
        """Whether a scope is in this share, which its name and `count` alone decide.

        Python's own hash differs from process to process.
        """
        digest = hashlib.blake2b(str(scope).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.index - 1
