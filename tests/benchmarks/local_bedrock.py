"""A local Bedrock in a process of its own, so that it takes no time from what is measured."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bedrock_async_etl.commands.demo import NOW
from bedrock_emulator import Control

EXPORT: Final = re.compile(r"export (\w+)=(\S+)")


@contextmanager
def local_bedrock() -> Iterator[Control]:
    """An emulator that this process's environment points at; the environment is restored."""
    command = [sys.executable, "-m", "bedrock_async_etl", "emulator", "--port=0", "--count=0"]
    process = subprocess.Popen(
        [*command, f"--now={NOW.isoformat()}"], stdout=subprocess.PIPE, text=True
    )
    before = dict(os.environ)
    with process:
        try:
            exports = _exports(process)
            os.environ.update(exports | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"})
            os.environ.pop("AWS_PROFILE", None)
            yield Control(exports["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"])
        finally:
            process.terminate()
            os.environ.clear()
            os.environ.update(before)


def _exports(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    exports: dict[str, str] = {}
    while "AWS_EC2_METADATA_DISABLED" not in exports:
        match = EXPORT.match(process.stdout.readline())
        if match is None:
            raise RuntimeError("The local Bedrock did not start.")
        exports[match[1]] = match[2]
    return exports
