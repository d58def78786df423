"""A process of another program that has a DuckDB file open."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HOLD: Final = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "True"):
    print(flush=True)
    input()
"""
PROGRAM: Final = Path(sys.executable).resolve().name
"""The name that DuckDB has for it."""


@contextmanager
def held(
    database: Path, *, read_only: bool = True
) -> Iterator[tuple["subprocess.Popen[str]", Callable[[], None]]]:
    """The process, and a function that makes it close the file, as it does in the end."""
    command = [sys.executable, "-c", HOLD, str(database), str(read_only)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "\n"

        def release() -> None:
            process.communicate("\n")

        yield process, release
        if process.returncode is None:
            release()
