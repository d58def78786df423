"""Publication of a set of files: no reader sees half a file, nor for long half a set.

Everything is staged first, under names that no reader takes for data. Then an intent is written,
the files are moved to their final names, those replaced are removed, and the manifest comes last.
A process that dies before its intent has changed nothing; after it, the next publication does the
rest.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.urls import names_in

MANIFEST: Final = "_manifest.json"
STAGING: Final = "_staging"
INTENT: Final = "intent.json"
STAGED_MANIFEST: Final = "manifest"
STAGED_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Intent:
    """The work that is left once all is staged; names are relative, as a root may be moved."""

    moves: Mapping[str, str]
    """Final names by staged ones."""
    removed: Sequence[str]


class Publication:
    """Files that are staged one by one, and take their places together."""

    def __init__(self, fs: AbstractFileSystem, root: str) -> None:
        self.is_decided = False
        """True once the intent may be there: from then on the set has to be finished."""
        self._fs, self._root = fs, root
        self._folder = f"{root}/{STAGING}/{uuid4().hex}"
        self._moves: dict[str, str] = {}

    def stage(self, file: Path, name: str) -> None:
        """Upload a file that is to be `name` under the root."""
        staged = str(len(self._moves))
        _make_folder(self._fs, self._folder)
        self._fs.put_file(str(file), f"{self._folder}/{staged}")
        self._moves[staged] = name

    def publish(self, manifest: bytes, removed: Sequence[str] = ()) -> None:
        """Replace the set: move what is staged, remove the files `removed`, then the manifest.

        Raises `CommandError` where another publication has taken what this one had staged.
        """
        _make_folder(self._fs, self._folder)
        self._fs.pipe_file(f"{self._folder}/{STAGED_MANIFEST}", manifest)
        if self._moves.keys() - names_in(self._fs, self._folder):
            raise CommandError(f"Another export writes to {self._root}: run one at a time.")
        self.is_decided = True
        intent = Intent(self._moves, removed)
        _write_intent(self._fs, self._folder, intent)
        _finish(self._fs, self._root, self._folder, intent)

    def discard(self) -> None:
        """Remove the staged files, unless they have to be published; errors are left alone."""
        if not self.is_decided:
            # A full disk must not stay full. The next publication removes files that cannot go now.
            with suppress(OSError):
                _discard(self._fs, self._folder)


@contextmanager
def publication(fs: AbstractFileSystem, root: str) -> Iterator[Publication]:
    """Publish to the folder `root` of a filesystem, after `recover`."""
    recover(fs, root)
    staging = Publication(fs, root)
    try:
        yield staging
    except BaseException:
        staging.discard()
        raise


def recover(fs: AbstractFileSystem, root: str) -> None:
    """Finish the publication that died after its intent; remove what others had staged."""
    for folder in _staged_folders(fs, root):
        if INTENT in names_in(fs, folder):
            intent = msgspec.json.decode(fs.cat_file(f"{folder}/{INTENT}"), type=Intent)
            _finish(fs, root, folder, intent)
        else:
            _discard(fs, folder)


def published_manifest(fs: AbstractFileSystem, root: str) -> bytes | None:
    """The manifest as it is, or will be after `recover`; None where nothing was published."""
    for folder in _staged_folders(fs, root):
        if {INTENT, STAGED_MANIFEST} <= names_in(fs, folder):
            return bytes(fs.cat_file(f"{folder}/{STAGED_MANIFEST}"))
    try:
        return bytes(fs.cat_file(f"{root}/{MANIFEST}"))
    except FileNotFoundError:
        return None


def _finish(fs: AbstractFileSystem, root: str, folder: str, intent: Intent) -> None:
    """Finish an intent: files that are no longer staged have been moved."""
    staged = names_in(fs, folder)
    moves = {
        f"{folder}/{name}": f"{root}/{final}"
        for name, final in intent.moves.items()
        if name in staged
    }
    for final in moves.values():
        _make_folder(fs, final.rpartition("/")[0])
    _move(fs, moves)
    for name in intent.removed:
        _remove(fs, f"{root}/{name}")
    if STAGED_MANIFEST in staged:
        _move(fs, {f"{folder}/{STAGED_MANIFEST}": f"{root}/{MANIFEST}"})
    _discard(fs, folder)


def _move(fs: AbstractFileSystem, moves: Mapping[str, str]) -> None:
    """Give files their final names, all as close together as can be.

    On a local disk a move is a rename, which is atomic. An object store copies, many at once, and
    a copy is seen when it is whole; the staged objects go with their folder.
    """
    if isinstance(fs, LocalFileSystem):
        for staged, final in moves.items():
            fs.mv(staged, final)
    elif moves:
        fs.copy(list(moves), list(moves.values()))


def _remove(fs: AbstractFileSystem, path: str) -> None:
    with suppress(FileNotFoundError):
        fs.rm_file(path)
    _remove_empty(fs, path.rpartition("/")[0])


def _discard(fs: AbstractFileSystem, folder: str) -> None:
    """Remove a staging folder that has no intent, or one that is done."""
    with suppress(FileNotFoundError):
        fs.rm(folder, recursive=True)
    _remove_empty(fs, folder.rpartition("/")[0])


def _write_intent(fs: AbstractFileSystem, folder: str, intent: Intent) -> None:
    """Write an intent whole or not at all: a local file gets its name once it is written."""
    written = f"{folder}/intent"
    fs.pipe_file(written, msgspec.json.encode(intent))
    _move(fs, {written: f"{folder}/{INTENT}"})


def _staged_folders(fs: AbstractFileSystem, root: str) -> list[str]:
    """The staging folders that are ours by their names; the filesystem may have cached older."""
    fs.invalidate_cache()
    names = sorted(names_in(fs, f"{root}/{STAGING}"))
    return [f"{root}/{STAGING}/{name}" for name in names if STAGED_ID.fullmatch(name)]


def _make_folder(fs: AbstractFileSystem, folder: str) -> None:
    """Object stores have no folders; s3fs would make a bucket that is not there."""
    if isinstance(fs, LocalFileSystem):
        fs.makedirs(folder, exist_ok=True)


def _remove_empty(fs: AbstractFileSystem, folder: str) -> None:
    if isinstance(fs, LocalFileSystem):
        with suppress(OSError):
            fs.rmdir(folder)
