"""Pipelines over Amazon Bedrock's asynchronous invocations, and their command line."""

from typing import Final

DEFAULT_DATABASE: Final = "bedrock_async.duckdb"
DEMO_DATABASE: Final = "bedrock_demo.duckdb"
"""Made anew by each demo."""


def version() -> str:
    """Version of the installed distribution; `unknown` where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version("bedrock-async-etl")
    except metadata.PackageNotFoundError:
        return "unknown"
