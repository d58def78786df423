"""Copies of files, as cheap as the filesystem makes them."""

import errno
import os
import shutil
from pathlib import Path
from typing import BinaryIO, Final

CHUNK_BYTES: Final = 1 << 30
"""The most that the kernel is asked to copy at a time; a signal waits for no more than that."""
UNSUPPORTED: Final = (errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.EPERM)
"""Kernels, filesystems and sandboxes that cannot copy, or not from the one to the other."""


def copy_file(source: Path, target: Path) -> None:
    """Copy a file into a new one; raises `OSError`, and leaves what it has written."""
    with source.open("rb") as original, target.open("xb") as copy:
        _copy_in_kernel(original, copy)
        # Goes on where the kernel has stopped, which usually is the end.
        shutil.copyfileobj(original, copy)


def _copy_in_kernel(original: BinaryIO, copy: BinaryIO) -> None:
    """Copy as far as the kernel can: by reference on XFS, Btrfs and ZFS, without this process."""
    if not hasattr(os, "copy_file_range"):
        return
    try:
        while os.copy_file_range(original.fileno(), copy.fileno(), CHUNK_BYTES):
            pass
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
