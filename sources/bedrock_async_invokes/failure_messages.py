"""Sensitive text as it is stored: kept, redacted or dropped.

AWS marks failure messages as sensitive; text in members that have no column may be so, too.
"""

import hashlib
import re
from functools import partial
from typing import Final

import msgspec
import pyarrow as pa

from .options import FailureMessages

CATEGORIES: Final = (
    (
        "content_filter_output",
        r" (generated|generation|outputs?|responses?|results?)( [^ ]+){0,8} (blocked|"
        r"filtered|flagged|rejected|removed|withheld|violat[a-z]+|"
        r"conflicts?)( [^ ]+){0,5} (content|filter|moderat|responsible ai|guardrail|"
        r"safety)",
    ),
    (
        "content_filter_output",
        r" (blocked|filtered|flagged|rejected|filters?|moderation|guardrails?)( (for|of|"
        r"on|in|the|your|this))* (generated|outputs?|responses?) ",
    ),
    (
        "content_filter_output",
        r" (generated|outputs?|responses?)( [^ ]+)? (filter|moderat|guardrail|safety|"
        r"was filtered|were filtered)",
    ),
    (
        "content_filter_input",
        r" (content ?(filter|polic|moderat)|responsible ai|guardrail|moderat|"
        r"acceptable use|nsfw|unsafe|inappropriate|safety)",
    ),
    ("unsupported_model", r" access to the (foundation )?model "),
    (
        "storage_access",
        r" (s3|buckets?|kms|putobject|getobject|headobject) | access ?denied|"
        r"accessdenied| (forbidden|not authorized|unauthorized|permissions?|credentials|"
        r"assume role) ",
    ),
    ("content_filter_input", r" (blocked|filtered|flagged) "),
    ("timeout", r"time ?d? ?out|deadline|time limit| took too long "),
    (
        "capacity",
        r"capacity|throttl|quota|too ?many ?(requests|invocations|jobs|tokens)|"
        r"high demand|overload|service ?unavailable|temporarily unavailable|(rate|"
        r"request) (limit|exceeded)|not ?ready| busy ",
    ),
    (
        "unsupported_model",
        r" (models?|versions?)( [^ ]+){0,8} (not (supported|available|found|enabled)|"
        r"does not (support|exist)|unsupported|unavailable|deprecated|legacy|"
        r"end of (its )?life|retired|no longer|invalid) ",
    ),
    (
        "unsupported_model",
        r" (unsupported|unknown|invalid|deprecated|no such)( foundation)? model ",
    ),
    ("aborted", r"abort|cancel+ed|cancelation|cancellation| (stopped|interrupted) "),
    (
        "internal_error",
        r" (internal|unexpected)|server ?(error|fault)|service ?(error|exception|"
        r"failure)|unhandled|model ?error|error while|something went wrong",
    ),
    (
        "validation",
        r"valid|malformed|unsupported|corrupt| (must|requires?|required|missing|"
        r"exceeds?|exceeded|not supported|could not be (decoded|read|parsed)|too (large|"
        r"long|short|small|big|many)|dimensions?|resolution|format) ",
    ),
)
"""First match wins, else `unknown`. The rules in sql/staging/failure_categories.sql are generated
from these."""

JSON_TEXT: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"(?P<is_name>:)?', re.DOTALL)
"""A text in JSON without spaces, or the name of a member."""
_NO_WORD: Final = re.compile("[^a-z0-9]+")
_RULES: Final = tuple((category, re.compile(rule)) for category, rule in CATEGORIES)


def category_of(message: str) -> str:
    """The failure category of a message."""
    words = f" {_NO_WORD.sub(' ', message.lower()).strip()} "
    return next((category for category, rule in _RULES if rule.search(words)), "unknown")


def stored_messages(messages: pa.StringArray, treatment: FailureMessages) -> pa.StringArray:
    """The stored value of each message: the text, `redacted:<category>:<hash>`, or null.

    The hash is the first 16 hex digits of SHA-256, so that equal messages stay countable.
    """
    if treatment == "keep":
        return messages
    if treatment == "drop":
        return pa.nulls(len(messages), pa.string())
    redacted = [message and _redacted(message) for message in messages.to_pylist()]
    return pa.array(redacted, pa.string())


def stored_extra(extra: pa.StringArray, treatment: FailureMessages) -> pa.StringArray:
    """The stored JSON of each invocation's other members: its texts are `redacted:<hash>`, or null.

    Names, numbers, booleans and the structure stay.
    """
    if treatment == "keep" or extra.null_count == len(extra):
        return extra
    replace = partial(_stored_text, treatment=treatment)
    stored = [json and JSON_TEXT.sub(replace, json) for json in extra.to_pylist()]
    return pa.array(stored, pa.string())


def _stored_text(json: re.Match[str], treatment: FailureMessages) -> str:
    if json["is_name"]:
        return json[0]
    if treatment == "drop":
        return "null"
    text = msgspec.json.decode(json[0])
    return f'"redacted:{_hash(text)}"' if text else json[0]


def _redacted(message: str) -> str:
    return f"redacted:{category_of(message)}:{_hash(message)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
