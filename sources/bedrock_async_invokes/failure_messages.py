"""What is stored of `failureMessage`, which the AWS model marks as sensitive."""

import hashlib
import re
from typing import Final

import pyarrow as pa

from .settings import FailureMessages

CATEGORIES: Final = (
    (
        "content_filter_output",
        r"(output|generated|response).*(content filter|filtered|blocked|moderat|responsible ai)",
    ),
    (
        "content_filter_output",
        r"(content filter|filtered|blocked|moderat|responsible ai).*(output|generated|response)",
    ),
    ("content_filter_input", r"content filter|filtered|blocked|moderat|responsible ai"),
    ("storage_access", r"\bs3\b|bucket|\bkms\b|access ?denied|putobject|not authorized"),
    ("timeout", r"time[d -]*out|deadline"),
    ("capacity", r"capacity|throttl|too many|quota|unavailable"),
    (
        "unsupported_model",
        r"(model|version).*(not supported|unsupported|not found|deprecated|end of life)",
    ),
    ("aborted", r"abort|cancel|stopped"),
    ("internal_error", r"internal|unexpected|server error"),
    ("validation", r"valid|malformed|must be|required|exceed|too (large|long|short)"),
)
"""First match wins, case-insensitive; what matches none is `unknown`."""

_RULES: Final = tuple((category, re.compile(rule, re.I | re.S)) for category, rule in CATEGORIES)


def category_of(message: str) -> str:
    """The failure category of a message."""
    return next((category for category, rule in _RULES if rule.search(message)), "unknown")


def stored_messages(messages: pa.StringArray, treatment: FailureMessages) -> pa.StringArray:
    """What is stored of each: the text, `redacted:<category>:<hash>`, or nothing.

    The hash is the first 16 hex digits of SHA-256, so that equal messages stay countable.
    """
    if treatment == "keep":
        return messages
    if treatment == "drop":
        return pa.nulls(len(messages), pa.string())
    redacted = [message and _redacted(message) for message in messages.to_pylist()]
    return pa.array(redacted, pa.string())


def _redacted(message: str) -> str:
    text_hash = hashlib.sha256(message.encode()).hexdigest()[:16]
    return f"redacted:{category_of(message)}:{text_hash}"
