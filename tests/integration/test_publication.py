"""The copy for readers, among whole processes that run, read and are killed."""

import signal
import subprocess
import sys
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import assert_exact_copy
from tests.integration.budgets import PUBLICATIONS, cases
from tests.integration.processes import COMMAND
from tests.kills.moments import COPIES

pytestmark = pytest.mark.integration


READERS = 3
READ = """
import sys
from threading import Event, Thread

import duckdb

COUNTS = '''
select
    (select count(*) from bedrock.async_invokes),
    (select count(*) from bedrock_analytics.invocations),
    (select sum(rows_new) from bedrock.extract_runs),
'''
is_over = Event()
Thread(target=lambda: (sys.stdin.read(), is_over.set()), daemon=True).start()
while True:
    is_last = is_over.is_set()
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        print(*connection.sql(COUNTS).fetchall()[0], flush=True)
    if is_last:
        break
"""
"""Opens, counts and closes until its standard input ends, and once more."""


@pytest.fixture
def listed(bedrock: Control) -> Control:
    end = NOW + timedelta(hours=PUBLICATIONS)
    bedrock.populate(ACCOUNT, REGION, 20 * PUBLICATIONS, NOW - timedelta(hours=1), end)
    return bedrock


@pytest.fixture
def file(database: Path) -> Path:
    folder = database.with_name("readers")
    folder.mkdir()
    return folder / "readers.duckdb"


def arguments(database: Path, file: Path) -> list[str]:
    return ["run", f"--database={database}", f"--publish={file}"]


def run(database: Path, file: Path) -> None:
    done = subprocess.run([*COMMAND, *arguments(database, file)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_reader_ever_fails_or_sees_half(listed: Control, database: Path, file: Path) -> None:
    """While runs publish one copy after the other, each with more rows."""
    run(database, file)
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READ, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(READERS)
    ]
    first = [reader.stdout.readline() for reader in readers if reader.stdout]
    for _ in range(PUBLICATIONS - 1):
        listed.advance(timedelta(hours=1))
        run(database, file)
    rows = len(listed.listing(ACCOUNT, REGION))
    for reader, line in zip(readers, first, strict=True):
        out, err = reader.communicate()
        assert (reader.returncode, err) == (0, "")
        seen = [[int(count) for count in each.split()] for each in (line + out).splitlines()]
        assert [counts for counts in seen if len(set(counts)) > 1] == []
        assert seen == sorted(seen)
        assert seen[-1] == [rows, rows, rows]
    assert copies(file) <= 2


def copies(file: Path) -> int:
    """The number of copies in the folder beside their link, where nothing else is."""
    [folder] = [path for path in file.parent.iterdir() if path != file]
    return len(list(folder.iterdir()))


@pytest.mark.parametrize(
    ("moment", "when"),
    cases(product(COPIES, ["before", "after"]), [("a copy for readers is published", "before")]),
)
def test_a_kill_leaves_the_old_copy_or_the_new_one_and_the_next_run_publishes(
    moment: str, when: str, listed: Control, database: Path, file: Path
) -> None:
    """That run finds nothing new: it compares what is published with what is stored."""
    run(database, file)
    old = file.read_bytes()
    listed.advance(timedelta(hours=1))
    struck = [sys.executable, "-m", "tests.kills.struck", moment, "1", when, "--"]
    killed = subprocess.run([*struck, *arguments(database, file)], cwd=Path(__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL
    is_new = (moment, when) == ("a copy for readers is published", "after")
    assert file.read_bytes() == (database.read_bytes() if is_new else old)
    run(database, file)
    assert_exact_copy(file, listed)
    assert copies(file) == 2
