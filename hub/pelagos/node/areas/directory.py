"""Plain folders: nothing is enforced, and usage is counted by a walk."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from pelagos.errors import StorageError
from pelagos.node.areas.base import Owner, Place, Usage, make_private, prepare, remove_tree
from pelagos.settings import QuotaKind

_FRESH = 60.0  # seconds that a counted size is good for
_LONGEST = 2.0  # seconds that a count may take; a greater area then has at least what was found


class DirectoryBackend:
    """See `Backend`."""

    kind = QuotaKind.DIRECTORY

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._counted: dict[Path, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def make(self, place: Place, quota: int) -> str:
        """See `Backend`. The quota is shown and not enforced."""
        self.attach(place)
        return ""

    def attach(self, place: Place) -> None:
        """See `Backend`."""
        make_private(place.folder)
        prepare(place, self._owner)

    def detach(self, place: Place) -> None:
        """See `Backend`. A folder has nothing to let go."""

    def usage(self, place: Place, quota: int) -> Usage:
        """See `Backend`."""
        return Usage(self.count(place.files), quota, enforced=False)

    def count(self, folder: Path) -> int:
        """Bytes in a folder, at most a minute old."""
        with self._lock:
            when, used = self._counted.get(folder, (-_FRESH, 0))
        if time.monotonic() - when >= _FRESH:
            used = count(folder)
            with self._lock:
                self._counted[folder] = (time.monotonic(), used)
        return used

    def remove(self, place: Place) -> None:
        """See `Backend`."""
        gone = place.folder.with_name(f"{place.folder.name}.gone")
        if gone.exists():
            remove_tree(gone)  # a crash came in between
        try:
            place.folder.rename(gone)  # it is gone for everybody before the long part
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"{place.folder} can't be removed: {error.strerror}.") from error
        self._counted.pop(place.files, None)
        remove_tree(gone)


def count(folder: Path, seconds: float = _LONGEST) -> int:
    """Bytes on the disk of all files below `folder`, or of those found within `seconds`."""
    deadline = time.monotonic() + seconds
    total = 0
    folders = [os.fsencode(folder)]
    while folders and time.monotonic() < deadline:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue  # it went in the meantime
    return total
