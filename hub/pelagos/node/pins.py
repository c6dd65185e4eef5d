"""Pins: files and folders of the dataspace that the sweep leaves alone until a given time.

One JSON file per area, `{"<path>": <unix seconds>}`, root's: nobody who owns the files can write
it. The agent writes, the sweep reads.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from pelagos.errors import RefusedError, StorageError
from pelagos.files import write_private

LONGEST = 366 * 86400  # seconds ahead
MOST = 1000  # pins of one area
_PATH_MAX = 4096  # bytes, as of the kernel


class Pins:
    """The pins of all areas. `folder`: where their files are; `area`: such as `users/anna`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def file(self, area: str) -> Path:
        """The file with one area's pins."""
        return self._folder / f"{area}.json"

    def of(self, area: str) -> dict[str, int]:
        """Path and end (unix seconds) of every pin that still holds. Raises StorageError."""
        path = self.file(area)
        try:
            pins = json.loads(path.read_text())
            now = time.time()
            return {str(name): int(until) for name, until in pins.items() if int(until) > now}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise StorageError(
                f"The pins in {path} can't be read: {error}.", "Restore the file, or remove it."
            ) from error

    def pin(self, area: str, path: str, until: float) -> None:
        """Keep `path` (of a file or a folder, relative; need not exist) until `until`.

        Raises RefusedError for a path or a time that can't be, StorageError.
        """
        clean = checked(path)
        now = time.time()
        if not now < until <= now + LONGEST:
            raise RefusedError(
                "A pin ends in the future, and within a year.", "Choose another day."
            )
        with self._lock:
            pins = self.of(area)
            if clean not in pins and len(pins) >= MOST:
                raise RefusedError(
                    f"This area has {MOST} pins already.", "Pin a folder instead of its files."
                )
            pins[clean] = int(until)
            self._write(area, pins)

    def unpin(self, area: str, path: str) -> None:
        """Let `path` expire again. Nothing happens if it has no pin. Raises RefusedError."""
        clean = checked(path)
        with self._lock:
            pins = self.of(area)
            if pins.pop(clean, None) is not None:
                self._write(area, pins)

    def forget(self, area: str) -> None:
        """Drop all pins of an area that is removed."""
        self.file(area).unlink(missing_ok=True)

    def _write(self, area: str, pins: dict[str, int]) -> None:
        write_json(self.file(area), pins)


class Kept:
    """What the pins of one area keep, read again whenever their file changes."""

    def __init__(self, pins: Pins, area: str) -> None:
        self._read: Callable[[], dict[str, int]] = lambda: pins.of(area)
        self._file = pins.file(area)
        self._seen: tuple[int, int] | None = (-1, -1)
        self._pins: dict[str, int] = {}
        self._above: set[str] = set()

    def refresh(self) -> None:
        """Look whether the pins changed. Raises StorageError if they can't be read."""
        try:
            found = self._file.stat()
            state: tuple[int, int] | None = (found.st_ino, found.st_mtime_ns)
        except FileNotFoundError:
            state = None
        if state != self._seen:
            self._pins = self._read() if state else {}
            self._above = {above for path in self._pins for above in _above(path)}
            self._seen = state

    def keeps(self, path: str) -> bool:
        """Whether `path` or a folder above it is pinned."""
        return bool(self._pins) and (
            path in self._pins or any(above in self._pins for above in _above(path))
        )

    def keeps_folder(self, path: str) -> bool:
        """Whether the folder `path` is pinned, or something that is or will be in it."""
        return self.keeps(path) or path in self._above


def _above(path: str) -> Iterator[str]:
    """The folders above a relative path, without the area's own."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def checked(path: str) -> str:
    """A relative path without a way out of its area. Raises RefusedError."""
    clean = path.rstrip("/")
    parts = PurePosixPath(clean).parts
    # PurePosixPath drops `.` and doubled slashes: only a path that it leaves alone is unambiguous
    if not clean or "\0" in clean or clean.startswith("/") or "/".join(parts) != clean:
        raise RefusedError(f"{path!r} is not the path of a file within the area.")
    if ".." in parts:
        raise RefusedError(f"{path!r} leads out of the area.")
    try:
        length = len(os.fsencode(clean))
    except UnicodeEncodeError as error:
        raise RefusedError(f"{path!r} is not the path of a file within the area.") from error
    if length >= _PATH_MAX:
        raise RefusedError("The path is too long.")
    return clean


def write_json(path: Path, value: object, mode: int = 0o600, scratch: Path | None = None) -> None:
    """Write a file as a whole or not at all. Raises StorageError.

    `scratch`: a folder of the same file system for the unfinished file, if not its own folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, json.dumps(value, indent=1), mode=mode, scratch=scratch)
    except OSError as error:
        raise StorageError(
            f"{path} can't be written: {error.strerror}.", "See the disk below it."
        ) from error
