"""What can go wrong with one scope, one page, one invocation, or an option."""


class OptionError(ValueError):
    """An option's value is wrong: a region that does not exist, a malformed role."""


class ScopeError(RuntimeError):
    """A scope cannot be entered; the message says what to do."""


class ListingError(RuntimeError):
    """The listing did not behave: an endless chain of pages, or rows of another scope."""


class ForeignPage(ListingError):
    """A page of nothing but invocations of another scope: wrong credentials, or endpoint."""

    def __init__(self, message: str, rows: int, reason: str | None) -> None:
        super().__init__(message)
        self.rows = rows
        self.reason = reason


class BrokenPage(ListingError):
    """A page that is not the JSON it says it is, such as a body that was cut short."""


class UnreadableInvocation(ValueError):
    """A listed invocation that cannot be understood; the message names it."""
