"""Pipelines over Amazon Bedrock's asynchronous invocations, and their command line."""

from typing import Final

DEFAULT_DATABASE: Final = "bedrock_async.duckdb"
DEMO_DATABASE: Final = "bedrock_demo.duckdb"
"""Made anew by each demo."""
