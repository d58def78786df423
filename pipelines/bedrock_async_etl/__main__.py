"""`python -m bedrock_async_etl` is the command line."""

from bedrock_async_etl.cli import main

main()
