"""Files are replaced whole; what is no file is left in its place."""

import os
import stat
from pathlib import Path
from threading import Thread

from bedrock_async_etl.files.atomic_write import replace


def test_a_file_takes_the_place_of_another_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"old")
    replace(path, b"new", 0o640)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"page.html": b"new"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    replace(pipe, b"page")
    reader.join()
    assert read == [b"page"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
