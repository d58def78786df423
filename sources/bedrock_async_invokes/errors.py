"""Errors of the source, and one line that describes any error."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
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


SSO_REMEDY: Final = "Log in with `aws sso login`, with --profile NAME if AWS_PROFILE is set."
REMEDIES: Final = {
    "AWSOrganizationsNotInUseException": "Name each role by its ARN instead, with role_arns.",
    "ExpiredTokenException": "Renew the credentials.",
    "UnrecognizedClientException": "Check the credentials, and that the region is enabled.",
    "SSLError": "Behind a proxy with a CA of its own, set AWS_CA_BUNDLE to the CA's file.",
    "SSOTokenLoadError": SSO_REMEDY,
    "TokenRetrievalError": SSO_REMEDY,
    "UnauthorizedSSOTokenError": SSO_REMEDY,
}
"""Remedies by the service's code or the class of the error."""
DENIED: Final = ("AccessDenied", "AccessDeniedException", "403")
"""Codes with which STS, Bedrock, S3 and others refuse a call."""
DENIED_REMEDIES: Final = {
    "AssumeRole": "Let the role trust the caller, and allow the caller sts:AssumeRole on it.",
    "ListAccounts": "Allow organizations:ListAccounts, and call it from the organization's "
    "management account or from a delegated administrator.",
    "ListAsyncInvokes": "Allow bedrock:ListAsyncInvokes.",
}
"""Remedies by the operation that is refused."""
LINE_LENGTH: Final = 1_000
"""Characters of a description."""
LONGEST_TEXT: Final = 1_000_000
"""Characters of a text that are looked through for credentials; the rest is not shown."""

MASK: Final = "(masked)"
SECRETS: Final = re.compile(
    r"""
    (?P<name>
        (?: security-token | session_?-?token | secret_?-?access_?-?key | external_?-?id
            | password | signature )
        (?:["'\\]|%22)*\s*(?:[:=>]|%3[AD])\s*(?:["'\\]|%22)*    # as a header, parameter, JSON, XML
    )
    [^\s'"&,;<>\\]+
    | (?<=bearer\s)\s*[^\s'",;]+                # as an Authorization header
    | (?<=basic\s)(?-i:(?![A-Za-z]?[a-z]+\b)[\w+/=-]{4,})
    | (?<=://)[^\s/'"]+(?=@)                     # the user of a URL, of a proxy for instance
    | \b(?:AKIA|ASIA)[0-9A-Z]{12,}              # the id of an access key
    | (?<![\w/+=.%-])(?!/|role/)(?:[a-z0-9+/=%]{100,}|[\w=-]{100,})   # a token; paths mix them
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Credentials as AWS and proxies quote them from a request that they refuse: in the canonical
string with all of its headers, or in the Authorization header. Names are kept."""


def describe(error: BaseException) -> str:
    """One line with class and message, with the remedy if it is known, without credentials.

    A `ScopeError` is a sentence of its own.
    """
    from botocore.exceptions import ClientError  # Options import this module, and stay light.

    if isinstance(error, ScopeError):
        return one_line(str(error))
    name, message, remedy = type(error).__name__, str(error), None
    if isinstance(error, ClientError):
        name = str(error.response.get("Error", {}).get("Code", name))
        message = str(error.response.get("Error", {}).get("Message") or "")
        remedy = _allowing(error.operation_name) if name in DENIED else ""
    remedy = REMEDIES.get(name, remedy)
    line = one_line(f"{name}: {message}").rstrip(":")
    if remedy is None:
        return line
    sentence = line if line.endswith((".", "!", "?")) else f"{line}."
    return f"{sentence} {remedy}".rstrip()


def _allowing(operation: str) -> str:
    return DENIED_REMEDIES.get(operation, f"Allow the caller to call {operation}.")


@contextmanager
def scope_errors(failure: str, service: str, secret: str | None = None) -> Iterator[None]:
    """Raise a `ScopeError` that begins with `failure` for whatever a call to a service raises.

    Answers that are not the service's are not quoted: botocore's parsers raise errors of many
    classes, with the body in some, and one of STS that was cut short may hold a secret key.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ScopeError:
        raise
    except (BotoCoreError, ClientError) as error:
        reason = describe(error)
        reason = reason.replace(secret, MASK) if secret else reason
    except OSError as error:
        reason = f"{error.filename or type(error).__name__}: {error.strerror or error}"
    except Exception:
        reason = (
            f"{service} gave an answer that cannot be read. Check the proxies between here and "
            "AWS, and the variables AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_STS."
        )
    else:
        return
    raise ScopeError(f"{failure}: {reason}")


def one_line(text: str) -> str:
    """Foreign text as one short line without credentials and terminal control characters."""
    line = masked(" ".join(text[:LONGEST_TEXT].split()))
    shortened = line if len(line) <= LINE_LENGTH else f"{line[:LINE_LENGTH]}…"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in shortened
    )


def masked(text: str) -> str:
    """The text without anything that looks like a credential."""
    return SECRETS.sub(lambda found: f"{found['name'] or ''}{MASK}", text)
