"""What the help of each command shows how to do, as one types it."""

from textwrap import indent
from typing import Final

EXAMPLES: Final = {
    "run": """\
# The caller's account and region, into bedrock_async.duckdb
bedrock-async-etl run

# Two regions, and one more account
bedrock-async-etl run --region us-east-1 --region us-west-2 \\
    --role-arn arn:aws:iam::444455556666:role/bedrock-async-etl

# Every account of the organization, into a lake
bedrock-async-etl run --organization-role bedrock-async-etl --lake s3://my-bucket/bedrock

# What was submitted in March once more
bedrock-async-etl run --since 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z
""",
    "models": """\
# Rebuild the models, and those of a folder of yours, without loading anything
bedrock-async-etl models --models our_models

# Those of a lake
bedrock-async-etl models --lake lake
""",
    "export": """\
# To a folder; the next time only what has changed
bedrock-async-etl export out

# What an export to S3 would write
bedrock-async-etl export s3://my-bucket/export --dry-run
""",
    "compact": """\
# Few files of a lake's many
bedrock-async-etl compact --lake lake
""",
    "report": """\
# The last 30 days, with a quota to compare with
bedrock-async-etl report report.html --quota amazon.nova-reel-v1:1=20

# Half a year of a lake, for people who must not see messages and accounts
bedrock-async-etl report report.html --lake lake --period 26w --redact
""",
    "status": """\
# Is the copy fresh, is it whole, what is stuck?
bedrock-async-etl status

# Of every scope of a lake, for a machine
bedrock-async-etl status --lake lake --json
""",
    "check": """\
# Exit with 2 where a model fails more often than 1 in 10, or a load is late
bedrock-async-etl check --max-failure-rate 10% --max-lag 1h

# Over a week, with a limit of its own for one model
bedrock-async-etl check --window 7d --max-failure-rate 10% --max-failure-rate luma.ray-v2:0=20%
""",
    "demo": """\
# All of it, without AWS
bedrock-async-etl demo
""",
    "emulator": """\
# Serve it, point AWS's tools at it, and load from it
bedrock-async-etl emulator --port 0 > emulator.env &
until grep -q METADATA emulator.env; do sleep 1; done; source emulator.env
bedrock-async-etl run --database emulator.duckdb
""",
}
"""Shell, by command."""


def epilog(command: str) -> str:
    r"""The end of a command's help; `\b` keeps each line of a paragraph as it is."""
    paragraphs = indent(EXAMPLES[command], "  ").split("\n\n")
    return "\n\n".join(f"\b\n{paragraph}" for paragraph in ["Examples:", *paragraphs])
