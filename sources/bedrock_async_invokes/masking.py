"""Credentials that a message quotes are taken out of it."""

import re
from typing import Final

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
"""What AWS and proxies quote of the request that they refuse: the canonical string with all of its
headers, or the Authorization header."""


def masked(text: str) -> str:
    """The text without what looks like a credential."""
    return SECRETS.sub(MASK, text)
