"""Errors of the source, and one line that describes any error."""

import re
from typing import Final


class OptionError(ValueError):
    """A wrong value of an option: a region that does not exist, a malformed role."""


class ScopeError(RuntimeError):
    """A scope cannot be read; the message says what to do."""


class ListingError(RuntimeError):
    """The listing misbehaves: an endless chain of pages, or rows of another scope."""


class ForeignPage(ListingError):
    """A page of nothing but invocations of another scope: wrong credentials, or endpoint."""

    def __init__(self, message: str, rows: int, reason: str | None) -> None:
        super().__init__(message)
        self.rows = rows
        self.reason = reason


class BrokenPage(ListingError):
    """A page that is not valid JSON, such as a body that was cut short."""


class UnreadableInvocation(ValueError):
    """A listed invocation that cannot be read; the message names it."""


REMEDIES: Final = {
    # STS says this of a role; Bedrock and Organizations have a code with another ending.
    "AccessDenied": "Let the role trust the caller, and allow the caller sts:AssumeRole on it.",
    "AccessDeniedException": "Allow bedrock:ListAsyncInvokes.",
    "ExpiredTokenException": "Renew the credentials.",
    "UnrecognizedClientException": "Check the credentials, and that the region is enabled.",
}
LINE_LENGTH: Final = 1_000
"""Characters of a description."""

MASK: Final = "(masked)"
SECRETS: Final = re.compile(
    r"""
    (?<=security-token[:=])\s*[^\s'"&,;]+       # as a header or a parameter of a signed request
    | (?<=bearer\s)\s*[^\s'",;]+                # as an Authorization header
    | (?<=signature=)[0-9a-f]{16,}
    | \b(?:AKIA|ASIA)[0-9A-Z]{12,}              # the id of an access key
    | (?<![\w/+=.-])(?!/|role/)(?:[a-z0-9+/=]{100,}|[\w=-]{100,})   # a token; paths mix them
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Credentials as AWS and proxies quote them from a request that they refuse: in the canonical
string with all of its headers, or in the Authorization header."""


def describe(error: BaseException) -> str:
    """One line with class and message, with the remedy if it is known, without credentials."""
    from botocore.exceptions import ClientError  # Options import this module, and stay light.

    if not isinstance(error, ClientError):
        return one_line(f"{type(error).__name__}: {error}")
    code = str(error.response.get("Error", {}).get("Code", type(error).__name__))
    message = str(error.response.get("Error", {}).get("Message") or "")
    line = one_line(f"{code}: {message}").rstrip(":")
    sentence = line if line.endswith((".", "!", "?")) else f"{line}."
    return f"{sentence} {REMEDIES.get(code, '')}".rstrip()


def one_line(text: str) -> str:
    """Foreign text as one short line without credentials and terminal control characters."""
    line = masked(" ".join(text[: 2 * LINE_LENGTH].split()))
    shortened = line if len(line) <= LINE_LENGTH else f"{line[:LINE_LENGTH]}…"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in shortened
    )


def masked(text: str) -> str:
    """The text without anything that looks like a credential."""
    return SECRETS.sub(MASK, text)
