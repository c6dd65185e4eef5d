"""The pool on the disk: which file is where, whether it is still what was put there, what is ours.

Only this VRE's downloader writes here; people read. All the same no link is followed: the folder
may have been restored, moved, or touched by an operator.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pelagos_client.download.errors import RequestError
from pelagos_client.download.parts import PREFIX, check_path

from pelagos.errors import StateError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SLACK = 5.0  # seconds between the last byte of a file and what the database says of it
ITEM, COLLECTION = "item.json", "collection.json"
_DEPTH = 8


@dataclass(frozen=True)
class Found:
    """A file on the disk: `place` below the pool, `size` in bytes, times in Unix seconds."""

    place: str
    size: int
    changed: float
    used: float


class Pool:
    """The folder of the pool. Raises OSError from what needs the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._text = os.fspath(root)

    def path(self, place: str) -> Path:
        """Where a file is. Raises StateError for a place that could lead elsewhere."""
        try:
            parts = check_path(place)
        except RequestError as error:
            raise StateError(f"{place[:100]!r} is no place in the pool.") from error
        return self.root.joinpath(*parts)

    def look(self, place: str) -> Found | None:
        """The file at a place, if it is one; nothing that a link leads to."""
        # thousands of them in a moment: no objects of pathlib
        if {"", ".", ".."} & set(place.split("/")):
            return None
        try:
            found = os.lstat(f"{self._text}/{place}")
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return Found(place, found.st_size, found.st_mtime, found.st_atime)

    def is_there(self, place: str, size: int | None, fetched: float | None) -> bool:
        """Whether the file is what was put there, as far as a look tells."""
        found = self.look(place)
        if found is None or found.size != size:
            return False
        return fetched is None or found.changed <= fetched + _SLACK

    def remove(self, place: str) -> bool:
        """Remove a file, and folders that are empty then; whether it was there."""
        with suppress(StateError):
            folder, parts = self._open(place)
            try:
                os.unlink(parts[-1], dir_fd=folder)
            except OSError:  # gone, or no file
                return False
            finally:
                os.close(folder)
            self._empty(parts)
            return True
        return False

    def _open(self, place: str) -> tuple[int, list[str]]:
        """The folder of a place, or of a part, reached without links. Raises StateError."""
        parts = place.split("/")
        if {"", ".", ".."} & set(parts):
            raise StateError(f"{place[:100]!r} is no place in the pool.")
        try:
            current = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for name in parts[:-1]:
                try:
                    below = os.open(name, _FOLDER, dir_fd=current)
                finally:
                    os.close(current)
                current = below
        except OSError as error:
            raise StateError(f"{place[:100]!r} is not in the pool.") from error
        return current, parts

    def _empty(self, parts: list[str]) -> None:
        """Remove the folders above a file as long as only our own words are in them."""
        above = self.root.joinpath(*parts[:-1])
        while above != self.root:
            with suppress(OSError):
                left = os.listdir(above)
                if not set(left) <= {ITEM, COLLECTION}:
                    return
                for name in left:
                    os.unlink(above / name)
            try:
                os.rmdir(above)
            except OSError:
                return
            above = above.parent

    def _beside(self, place: str, name: str) -> Path:
        folder = self.path(place).parent
        return folder.parent if name == COLLECTION else folder

    def is_described(self, place: str, name: str) -> bool:
        """Whether the document `name` is beside a file, or above."""
        try:
            return os.lstat(self._beside(place, name) / name).st_size > 0
        except OSError:
            return False

    def describe(self, place: str, name: str, document: dict[str, Any]) -> None:
        """Put a STAC document beside a file: `name` is ITEM, or COLLECTION one folder above.

        Not synced: after a power cut it may be empty, and is written again.
        """
        folder = self._beside(place, name)
        scratch = folder / f"{PREFIX}{name}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(scratch, flags, 0o644), "w", encoding="utf-8") as file:
            json.dump(document, file, ensure_ascii=False, indent=1)
        os.replace(scratch, folder / name)

    def free(self) -> tuple[int, int]:
        """Bytes of the disk that are free for us, and its size."""
        found = os.statvfs(self.root)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize

    def walk(self) -> Iterator[Found]:
        """All files of the pool; folders are not held open, links not followed."""
        folders = [("", 0)]
        while folders:
            prefix, depth = folders.pop()
            try:
                entries = os.scandir(self.root / prefix)
            except OSError:  # removed meanwhile
                continue
            with entries:
                for entry in entries:
                    place = f"{prefix}/{entry.name}" if prefix else entry.name
                    with suppress(OSError):
                        if entry.is_dir(follow_symlinks=False):
                            if depth < _DEPTH:
                                folders.append((place, depth + 1))
                            continue
                        found = entry.stat(follow_symlinks=False)
                        yield Found(place, found.st_size, found.st_mtime, found.st_atime)
