"""Pipelines over Amazon Bedrock's asynchronous invocations, and their command line."""


def version() -> str:
    """Version of the installed distribution; `unknown` where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version("bedrock-async-etl")
    except metadata.PackageNotFoundError:
        return "unknown"
