"""One sweep of one area: what is older than its expiry goes, and what goes next is found.

The age of a file counts from its last change or its arrival, whichever is later: see `changed_at`.
The atime would let a backup or a search keep everything.

No path is ever followed: each folder is opened from the one above it, without links, and a folder
of another file system is left alone. A mount of the same file system is safe too, because a file
can't be renamed out of it. How a file goes without a race: see `trash`.
"""

from __future__ import annotations

import heapq
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pelagos.node.areas import Place
from pelagos.node.pins import Kept, Pins
from pelagos.node.trash import OPEN_FOLDER, Outcome, Settled, Trash, TrashFullError

logger = logging.getLogger(__name__)

SETTLE = 2.0  # seconds in the trash: far more than between finding a file and opening it
# nanoseconds: a modification time that no archive has, of a file that may go now
MARKED = 271_828_182
_DAY = 86400
_NEXT = 20  # files that are named beforehand
_DEEPEST = 64  # folders open at once; deeper ones are opened anew from the top
_LONGEST_PATH = 40_000  # characters; a folder below is reported and not entered


@dataclass
class Report:
    """What one sweep of one area did and found. Sizes are bytes on the disk."""

    expires_after: int
    files: int = 0
    used: int = 0
    swept_files: int = 0
    swept_bytes: int = 0
    swept_folders: int = 0
    kept_open: int = 0
    put_back: int = 0
    errors: list[str] = field(default_factory=list)
    due_files: int = 0
    due_bytes: int = 0
    next: list[tuple[int, str, int]] = field(default_factory=list)
    seconds: float = 0.0

    def error(self, text: str) -> None:
        """Remember what went wrong; a few are enough."""
        if len(self.errors) < _NEXT:
            self.errors.append(text)

    def as_json(self) -> dict[str, Any]:
        """What people are told: ages, and the next files with the time (unix) when they go."""
        return {
            "expires_after": self.expires_after,
            "files": self.files,
            "used": self.used,
            "due_files": self.due_files,
            "due_bytes": self.due_bytes,
            "next": [
                {"path": path, "expires": expires, "bytes": size}
                for expires, path, size in self.next
            ],
        }


def arrived_at(found: os.stat_result) -> float:
    """When a file last got here, was renamed, or was changed (unix seconds); nobody can set it."""
    return found.st_ctime


def changed_at(found: os.stat_result, now: float) -> float:
    """When a file last changed, in unix seconds, or arrived, if that was later.

    tar, wget, rclone and `cp -p` bring files whose modification time is years ago: they must not go
    at the next sweep. One time in 1970 is the mark of a file that may go now.
    """
    if found.st_mtime_ns == MARKED:
        return found.st_mtime
    changed = found.st_mtime if found.st_mtime <= now else 0.0
    return min(max(changed, arrived_at(found)), now)


def sweep_area(
    place: Place,
    expires_after: int,
    pins: Pins,
    area: str,
    journal: Path,
    log: Callable[[str, Settled], None] = lambda area, settled: None,
    settle: float = SETTLE,
) -> Report:
    """Sweep the area at `place`, whose name is `area` (such as `users/anna`).

    `expires_after`: seconds, 0 for never. `log` hears of each file that left the trash. Raises
    OSError if the area can't be opened, StorageError if its pins can't be read: then nothing goes.
    """
    started = time.monotonic()
    kept = Kept(pins, area)
    kept.refresh()
    report = Report(expires_after)
    with Trash(place, journal) as trash:

        def empty() -> None:
            kept.refresh()
            for settled in trash.settle(kept.keeps):
                log(area, settled)
                if settled.deleted:
                    report.swept_files += 1
                    report.swept_bytes += settled.size
                else:
                    report.put_back += 1

        empty()  # what the last sweep left
        full = True
        while full:
            before = report.swept_files
            walk = _Walk(trash, kept, report, expires_after)
            # a full area gives its space back in rounds, as long as there is progress
            full = walk.run()
            if walk.taken:
                time.sleep(settle)
                empty()
            full = full and report.swept_files > before
    report.seconds = time.monotonic() - started
    return report


class _Walk:
    """One walk through an area. Counts into `report`, from zero."""

    def __init__(self, trash: Trash, kept: Kept, report: Report, expires_after: int) -> None:
        self._trash = trash
        self._kept = kept
        self._report = report
        self._now = time.time()
        never = float("-inf")
        self._old = self._now - expires_after if expires_after else never
        self._due = self._old + _DAY
        self._expires_after = expires_after
        # the oldest files, the youngest of them on top
        self._next: list[tuple[float, str, int]] = []
        self._deep: list[str] = []
        self._device = os.fstat(trash.files).st_dev
        self.taken = 0
        report.files = report.used = report.due_files = report.due_bytes = 0
        report.next = []

    def run(self) -> bool:
        """Walk; whether it ended early because the area is too full for a rename."""
        full = False
        try:
            self._folder(self._trash.files, "", 0)
            while self._deep:
                self._from_top(self._deep.pop())
        except TrashFullError:
            full = True
        if self._expires_after:
            self._report.next = sorted(
                (round(-changed + self._expires_after), path, size)
                for changed, path, size in self._next
            )
        return full

    def _folder(self, folder: int, above: str, depth: int) -> bool:
        """Walk through an open folder; whether it was empty. `above`: its path, with a slash."""
        report, now, old, due = self._report, self._now, self._old, self._due
        upcoming = self._next
        empty = True
        with os.scandir(folder) as entries:
            for entry in entries:
                empty = False
                if entry.is_dir(follow_symlinks=False):
                    self._subfolder(folder, entry.name, above + entry.name, depth + 1)
                    continue
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                changed = changed_at(found, now)
                size = found.st_blocks * 512
                report.files += 1
                report.used += size
                if changed <= old:
                    self._take(folder, entry.name, above + entry.name, found)
                    continue
                is_due = changed <= due
                if not is_due and len(upcoming) >= _NEXT and -changed <= upcoming[0][0]:
                    continue
                if self._kept.keeps(above + entry.name):
                    continue
                if is_due:
                    report.due_files += 1
                    report.due_bytes += size
                item = (-changed, above + entry.name, size)
                if len(upcoming) < _NEXT:
                    heapq.heappush(upcoming, item)
                elif item > upcoming[0]:
                    heapq.heapreplace(upcoming, item)
        return empty

    def _take(self, folder: int, name: str, path: str, found: os.stat_result) -> None:
        self._kept.refresh()
        if self._kept.keeps(path):
            return
        try:
            outcome = self._trash.take(folder, name, path, found)
        except OSError as error:
            self._report.error(f"{path}: {error.strerror}")
            return
        if outcome is Outcome.TAKEN:
            self.taken += 1
            self._report.files -= 1
            self._report.used -= found.st_blocks * 512
        elif outcome is Outcome.OPEN:
            self._report.kept_open += 1

    def _subfolder(self, folder: int, name: str, path: str, depth: int) -> None:
        """Walk through `name` in the open `folder`; remove it if it is empty and old."""
        if depth > _DEEPEST:
            if len(path) > _LONGEST_PATH:
                self._report.error(f"{path[:100]}...: too deep")
            else:
                self._deep.append(path)
            return
        try:
            below = os.open(name, OPEN_FOLDER, dir_fd=folder)
        except OSError:
            return  # gone, or a link now
        try:
            before = os.fstat(below)
            if before.st_dev != self._device:
                return
            empty = self._folder(below, f"{path}/", depth)
            if not empty or changed_at(before, self._now) > self._old:
                return
            self._kept.refresh()
            if self._kept.keeps_folder(path):
                return
            after = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns):
                os.rmdir(name, dir_fd=folder)  # the kernel refuses if it got a file
                self._report.swept_folders += 1
        except FileNotFoundError:
            pass
        except OSError as error:
            self._report.error(f"{path}: {error.strerror}")
        finally:
            os.close(below)

    def _from_top(self, path: str) -> None:
        """Walk through a deep folder, opened step by step from the area's own."""
        *above, name = path.split("/")
        folder = os.dup(self._trash.files)
        try:
            for part in above:
                below = os.open(part, OPEN_FOLDER, dir_fd=folder)
                os.close(folder)
                folder = below
            self._subfolder(folder, name, path, 1)
        except OSError:
            return  # somebody moves things about; the next sweep sees them
        finally:
            os.close(folder)


def log_line(area: str, settled: Settled) -> str:
    """One line of the sweep's log."""
    return json.dumps(
        {
            "time": round(time.time(), 3),
            "area": area,
            "path": settled.path,
            "did": "deleted" if settled.deleted else "put back",
            "bytes": settled.size,
        }
    )
