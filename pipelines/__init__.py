"""Pipelines over Amazon Bedrock's asynchronous invocations, and their command line."""
