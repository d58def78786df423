"""The command line as a process of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Any, Final

COMMAND: Final = (sys.executable, "-m", "bedrock_async_etl")


def start(*arguments: str, before: Sequence[str] = (), **options: Any) -> "subprocess.Popen[str]":
    """A command under way, behind the words of another program; stdout and stderr are pipes."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([*before, *COMMAND, *arguments], **options)


def wait_for_event(stderr: IO[str], event: str, **fields: Any) -> None:
    """Read log lines in JSON up to an event with these fields."""
    for line in stderr:
        found = json.loads(line)
        if found["event"] == event and fields.items() <= found.items():
            return
    raise AssertionError(f"The command ended before {event}.")
