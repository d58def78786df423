"""The faults that a scope can be given, as plain data that travels as JSON."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong in a scope; the default is a Bedrock in good health.

    Rates are probabilities per call in 0..1. Zero switches a fault off.
    """

    seed: int = 0
    """Of the randomness: equal faults and equal calls in equal order fail equally."""
    throttle_per_second: float = 0.0
    """Calls per second of real time that a token bucket lets through."""
    throttle_burst: int = 1
    """Size of that bucket."""
    error_500_rate: float = 0.0
    error_503_rate: float = 0.0
    reset_rate: float = 0.0
    """The connection is reset (TCP RST) instead of an answer."""
    cut_body_rate: float = 0.0
    """Half of the body is sent under the Content-Length of all of it, then the end."""
    hang_rate: float = 0.0
    hang_seconds: float = 60.0
    """How long a hanging call waits before it is answered after all."""
    access_denied: bool = False
    empty_page_rate: float = 0.0
    """A page without rows and with a valid token, at most three in a row."""
    short_pages: bool = False
    """Pages hold a random number of rows, at least one, up to what was asked for."""
    token_ttl_calls: int = 0
    """A page token is valid for this many further list calls of its scope."""
    late_visibility_seconds: float = 0.0
    """One row in four is listed only up to this long after its submit time."""
    after_inclusive: bool = False
    """Whether submitTimeAfter includes its own instant."""
    before_inclusive: bool = False
    """Whether submitTimeBefore includes its own instant."""
    retention_seconds: float = 0.0
    """Rows submitted longer ago than this are gone."""
    unknown_members: bool = False
    """Summaries carry members that botocore's model does not have."""
    latency_seconds: float = 0.0
    """Each call takes at least this long, as over a network; the emulator's own work counts."""

    def __post_init__(self) -> None:
        """Raise ValueError, naming the fault, for a value that makes no sense."""
        for field in fields(self):
            value: Any = getattr(self, field.name)
            if not _fits(value, type(field.default)):
                kind = type(field.default).__name__
                raise ValueError(f"fault {field.name} takes a {kind}, not {value!r}")
            if value < 0 or (field.name.endswith("_rate") and value > 1):
                raise ValueError(f"fault {field.name} cannot be {value!r}")

    @classmethod
    def parse(cls, given: dict[str, Any]) -> "Faults":
        """Read faults from JSON; raises ValueError for an unknown name or a bad value."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise ValueError(f"unknown fault {name!r}; known are {', '.join(known)}")
        return cls(**given)


def _fits(value: Any, kind: type[object]) -> bool:
    # A whole number is a fine float, but True is no number.
    return type(value) is kind or (kind is float and type(value) is int)
