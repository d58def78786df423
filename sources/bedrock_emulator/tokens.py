"""Page tokens: opaque, signed, and bound to the request that they continue."""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import astuple, dataclass

import orjson

from .errors import validation_error

_SIGNATURE_LENGTH = 16


@dataclass(frozen=True, slots=True)
class PageToken:
    """Where a listing continues.

    ``submit`` and ``invocation_id`` are the key of the last row that was given, None before the
    first. ``request`` identifies all parameters but the token, ``issued_at`` is the number of the
    list call that gave it, ``empty_pages`` how many empty pages came just before.
    """

    submit: int | None
    invocation_id: str
    request: str
    issued_at: int
    empty_pages: int


class TokenSigner:
    """Writes and reads page tokens with a secret of its own."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def write(self, token: PageToken) -> str:
        """The token as clients see it."""
        content = orjson.dumps(astuple(token))
        return urlsafe_b64encode(self._sign(content) + content).decode()

    def read(self, text: str, request: str) -> PageToken:
        """The content of a token; a ValidationException unless it was given for this request."""
        try:
            signed = urlsafe_b64decode(text.encode("ascii"))
        except ValueError:
            raise validation_error("The provided nextToken is invalid.") from None
        signature, content = signed[:_SIGNATURE_LENGTH], signed[_SIGNATURE_LENGTH:]
        if not hmac.compare_digest(signature, self._sign(content)):
            raise validation_error("The provided nextToken is invalid.")
        token = PageToken(*orjson.loads(content))
        if token.request != request:
            raise validation_error(
                "The provided nextToken belongs to a request with other parameters."
            )
        return token

    def _sign(self, content: bytes) -> bytes:
        return hmac.digest(self._secret, content, "sha256")[:_SIGNATURE_LENGTH]
