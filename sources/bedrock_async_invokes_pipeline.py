"""Load asynchronous invocations of Amazon Bedrock incrementally."""

import dlt

from bedrock_async_invokes import bedrock_async_invokes


def load_new_and_changed() -> None:
    """Load what is new or changed in the account and region of your AWS credentials.

    Schedule this: each invocation is written when it is first seen and when it changes.
    """
    pipeline = dlt.pipeline(
        pipeline_name="bedrock_async_invokes", destination="duckdb", dataset_name="bedrock"
    )
    print(pipeline.run(bedrock_async_invokes()))  # noqa: T201


def load_several_accounts_and_regions() -> None:
    """Load several regions, of the caller's account and of one that a role leads to."""
    pipeline = dlt.pipeline(
        pipeline_name="bedrock_async_invokes", destination="duckdb", dataset_name="bedrock"
    )
    source = bedrock_async_invokes(
        regions=["us-east-1", "us-west-2"],
        role_arns=["arn:aws:iam::444455556666:role/bedrock-async-etl"],
        failure_message="redact",
    )
    print(pipeline.run(source))  # noqa: T201


if __name__ == "__main__":
    load_new_and_changed()
