"""AWS SDKs of others read from the emulator what boto3 does."""

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from bedrock_emulator import Emulator
from tests.conftest import ACCOUNT, NOW, REGION

pytestmark = pytest.mark.integration

SCRIPT = """\
import { BedrockRuntimeClient, GetAsyncInvokeCommand, StartAsyncInvokeCommand,
  paginateListAsyncInvokes } from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const client = new BedrockRuntimeClient({
  endpoint: process.argv[2],
  region: "us-east-1",
  credentials: { accessKeyId: "AKIA111122223333EMUL", secretAccessKey: "emulator" },
  requestHandler: new NodeHttpHandler(),
});
const listed = [];
for await (const page of paginateListAsyncInvokes({ client }, { maxResults: 100 }))
  listed.push(...page.asyncInvokeSummaries.map((each) => each.invocationArn));
const started = await client.send(new StartAsyncInvokeCommand({
  modelId: "amazon.nova-reel-v1:1",
  modelInput: {},
  outputDataConfig: { s3OutputDataConfig: { s3Uri: "s3://bucket/output" } },
}));
const got = await client.send(
  new GetAsyncInvokeCommand({ invocationArn: started.invocationArn }));
console.log(JSON.stringify({ listed, status: got.status }));
"""


def test_javascript_lists_gets_and_starts(tmp_path: Path) -> None:
    """With Node's HTTP/1.1: by default that SDK speaks HTTP/2 to Bedrock Runtime."""
    packages = ["@aws-sdk/client-bedrock-runtime", "@smithy/node-http-handler"]
    subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", tmp_path, *packages],
        check=True,
    )
    script = tmp_path / "list.mjs"
    script.write_text(SCRIPT)
    with Emulator(NOW) as emulator:
        emulator.control.populate(ACCOUNT, REGION, 250, NOW - timedelta(days=1), NOW)
        expected = [row["invocationArn"] for row in emulator.control.listing(ACCOUNT, REGION)]
        ran = subprocess.run(
            ["node", script, emulator.url], check=True, capture_output=True, text=True
        )
    found = json.loads(ran.stdout)
    assert sorted(found["listed"]) == sorted(expected)
    assert found["status"] == "InProgress"
