"""Amazon Bedrock's asynchronous invocations: an exact, incremental copy of ListAsyncInvokes."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .source import Extraction, RunContext, bedrock_async_invokes, extraction_source

__all__ = ["Extraction", "RunContext", "bedrock_async_invokes", "extraction_source"]


def __getattr__(name: str) -> Any:
    """Import the source when it is used: options alone need neither dlt nor pyarrow."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import source

    return getattr(source, name)
