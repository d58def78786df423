"""dlt sources: Amazon Bedrock's asynchronous invocations, and a local Bedrock to try them on."""
