"""Files that whoever reads them finds whole, the old one or the new one."""

import secrets
from pathlib import Path


def replace(path: Path, content: bytes, mode: int | None = None) -> None:
    """Put a file in another's place at once; raises `OSError`, and then the old one is as it was.

    `mode` is the file's, whatever the umask; without it the umask's is. What is there and is no
    file, such as a pipe or `/dev/stdout`, is written to: nothing must take its place.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(content)
        if mode is not None:
            draft.chmod(mode)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
