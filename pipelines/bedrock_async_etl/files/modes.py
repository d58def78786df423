"""Modes of the files that a command makes: nobody else's to read, unless that is configured."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bedrock_async_etl.errors import UsageError

SECTION: Final = "bedrock_async_etl"
PRIVATE: Final = "077"
"""Files are 600, folders 700."""
UMASK: Final = re.compile(r"0?0[0-7]{2}")


def find_umask() -> int:
    """The one that dlt's configuration has, else `PRIVATE`; raises `UsageError` for no umask."""
    from bedrock_async_etl.configuration import configured

    text = configured(SECTION, "umask", str) or PRIVATE
    if not UMASK.fullmatch(text):
        raise UsageError(
            f"{SECTION}.umask is {text!r}: it is text of three octal digits, the first of them 0, "
            'such as "077" (files are 600, folders 700) or "027" (640 and 750).'
        )
    return int(text, 8)


@contextmanager
def private_files() -> Iterator[None]:
    """Make files and folders by the umask configured: dlt's, DuckDB's and Delta's, too.

    It is the process's, so that there is no moment at which a file can be read by others, and no
    library that has to be told. What is there already keeps its mode.
    """
    before = os.umask(find_umask())
    try:
        yield
    finally:
        os.umask(before)
