"""What a call can end in other than an answer."""


class ServiceError(Exception):
    """An error of the service in AWS's terms: its code, its message, its HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class ConnectionReset(Exception):
    """The connection is to be reset instead of answering."""


def validation_error(message: str) -> ServiceError:
    """A ValidationException."""
    return ServiceError("ValidationException", message)
